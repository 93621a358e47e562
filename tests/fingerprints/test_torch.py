# SPDX-License-Identifier: BSD-3-Clause
"""Fingerprints of torch modules: what they ignore, what they see, what has none."""

import copy
import pickle
import warnings

import pytest

from skzest.fingerprints import fingerprint

torch = pytest.importorskip("torch")


def _again(model):
    return pickle.loads(pickle.dumps(model))


def _net(seed=0, slope=0.1):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.LeakyReLU(slope),
        torch.nn.Dropout(0.5), torch.nn.Linear(8, 3),
    )  # fmt: skip


def test_modules_are_their_state_and_structure():
    net = _net()
    before = fingerprint(net)
    assert fingerprint(_again(net)) == fingerprint(copy.deepcopy(net)) == before
    assert fingerprint(net.eval()) == before, "the mode is set when it is asked"
    net(torch.zeros(2, 4)).sum().backward()
    assert fingerprint(net) == before, "gradients do not matter"
    others = [_net(seed=1), _net(slope=0.2), _net()[:4], _net().double()]
    assert len({before, *map(fingerprint, others)}) == 5


def test_a_module_from_a_state_dict_has_the_fingerprint_of_its_source():
    net, copied = _net(), _net(seed=1)
    copied.load_state_dict(net.state_dict())
    assert fingerprint(copied) == fingerprint(net)


def test_memory_layout_of_a_tensor_does_not_matter():
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert fingerprint(image) == fingerprint(image.to(memory_format=torch.channels_last))
    assert fingerprint(image) != fingerprint(image.reshape(1, 2, 4, 3))
    assert fingerprint(image.bfloat16()) != fingerprint(image.half())
    assert fingerprint(image.to_sparse()) == fingerprint(image.to_sparse().clone())
    assert fingerprint(torch.zeros(0)) != fingerprint(torch.zeros(0, 2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_module_is_its_original():
    assert fingerprint(torch.compile(_net())) == fingerprint(_net())


def test_weights_under_a_parametrization_are_seen():
    def normed(seed):
        return torch.nn.utils.parametrizations.weight_norm(_net(seed)[0])

    assert fingerprint(normed(0)) == fingerprint(normed(0))
    assert len({fingerprint(net) for net in (normed(0), normed(1), _net()[0])}) == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_weights_of_dynamic_quantization_are_seen():
    def quantized(seed):
        return torch.ao.quantization.quantize_dynamic(_net(seed), dtype=torch.qint8)

    assert fingerprint(quantized(0)) == fingerprint(_again(quantized(0)))
    assert len({fingerprint(net) for net in (quantized(0), quantized(1), _net())}) == 3


class Applied(torch.nn.Module):
    """A module that is traced."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.shift = torch.ones(3)

    def forward(self, batch):
        return self.function(batch) + self.shift


@torch.fx.wrap
def _mine(batch):
    return batch


class Calling(torch.nn.Module):
    """A module that calls a function of ours by name."""

    def forward(self, batch):
        return _mine(batch)


def test_a_traced_module_is_seen_with_its_program_and_constants():
    def traced(function, shift=1.0):
        module = Applied(function)
        module.shift *= shift
        return torch.fx.symbolic_trace(module)

    assert fingerprint(traced(torch.relu)) == fingerprint(traced(torch.relu))
    variants = [traced(torch.relu), traced(torch.tanh), traced(torch.relu, 2.0)]
    assert len(set(map(fingerprint, variants))) == 3
    with pytest.raises(TypeError, match=r"_mine, which is not part of an installed package"):
        fingerprint(torch.fx.symbolic_trace(Calling()))


def _hooked():
    module = torch.nn.Identity()
    module.register_forward_hook(lambda m, args, answer: 2 * answer)
    return module


def _patched():
    module = torch.nn.Identity()
    module.forward = lambda batch: 2 * batch
    return module


def _scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("module", "fact"),
    [
        (Applied(torch.relu), r"Applied is an instance of .*Applied, which is not part of"),
        (torch.nn.Sequential(Applied(torch.relu)), r"_modules\['0'\] is an instance of .*Applied"),
        (_hooked(), r"_forward_hooks\[0\] is .*<lambda>, which is not part of"),
        (_patched(), r"Identity\.forward is .*<lambda>, which is not part of"),
        (_scripted(), "is a TorchScript module"),
    ],
    ids=["subclass", "child", "hook", "patched", "script"],
)
def test_modules_that_are_not_packages_own_are_refused(module, fact):
    with pytest.raises(TypeError, match=fact):
        fingerprint(module)
