# SPDX-License-Identifier: BSD-3-Clause
"""A module rewritten for inference answers as the module does, and the module stays as it is."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from skzest.queries._torch_optimize import capture, capture_parts, folded  # noqa: E402
from skzest.queries._torch_ready import Ready, agreement, twin_of  # noqa: E402


def random_norm(norm):
    """Statistics and weights as training leaves them: all different from those of a new one."""
    generator = torch.Generator().manual_seed(1)
    norm.running_mean.uniform_(-1, 1, generator=generator)
    norm.running_var.uniform_(0.2, 3, generator=generator)
    if norm.affine:
        norm.weight.data.uniform_(-2, 2, generator=generator)
        norm.bias.data.uniform_(-1, 1, generator=generator)
    return norm


def ready(module):
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            random_norm(part)
    return module.double().eval()


def names_called(module):
    return [type(part).__name__ for part in module.modules()]


def steps(graph_module):
    return [node.target for node in graph_module.graph.nodes if node.op == "call_method"]


def assert_same(module, other, x, rtol=1e-12):
    with torch.no_grad():
        expected, given = module(x.clone()), other(x.clone())
    assert expected.std() > 0.01
    torch.testing.assert_close(given, expected, rtol=rtol, atol=rtol * float(expected.abs().max()))


class Block(nn.Module):
    """A residual block, with a shortcut that is a function."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8)
        self.shortcut = lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


# --- folding ------------------------------------------------------------------------------


def test_folded_weights_by_hand():
    conv, norm = nn.Conv2d(1, 2, 1).double(), nn.BatchNorm2d(2, eps=0.0).double().eval()
    conv.weight.data[:] = torch.tensor([3.0, -1.0]).reshape(2, 1, 1, 1)
    conv.bias.data[:] = torch.tensor([1.0, 2.0])
    norm.running_mean[:], norm.running_var[:] = torch.tensor([1.0, 4.0]), torch.tensor([4.0, 1.0])
    norm.weight.data[:], norm.bias.data[:] = torch.tensor([2.0, 5.0]), torch.tensor([0.5, 0.0])
    one = folded(conv.eval(), norm)
    # 2 (3 x + 1 - 1) / 2 + 0.5 and 5 (-x + 2 - 4) / 1
    assert one.weight.ravel().tolist() == [3.0, -5.0]
    assert one.bias.tolist() == [0.5, -10.0]


CONVS = {
    "plain": nn.Conv2d(4, 6, 3),
    "no bias": nn.Conv2d(4, 6, 3, bias=False),
    "strided, padded": nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "grouped": nn.Conv2d(4, 6, 3, groups=2),
    "depthwise": nn.Conv2d(4, 4, 3, groups=4),
    "dilated": nn.Conv2d(4, 6, 3, dilation=2),
    "same": nn.Conv2d(4, 6, 3, padding="same"),
    "circular": nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
    "1-D": nn.Conv1d(4, 6, 3),
    "3-D": nn.Conv3d(4, 6, 3, padding=1),
}


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", CONVS)
def test_batch_norm_is_folded_into_any_convolution(name, affine):
    conv = deepcopy(CONVS[name])
    n_axes = conv.weight.ndim - 2
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[n_axes - 1]
    module = ready(nn.Sequential(conv, norm(conv.out_channels, affine=affine)))
    captured = capture(module)
    assert not any(isinstance(part, norm) for part in captured.modules())
    assert_same(module, captured, torch.randn(3, 4, *[7] * n_axes, dtype=torch.float64))


def test_residual_block_is_folded_and_reuses_memory():
    block = ready(Block())
    captured = capture(block)
    assert "BatchNorm2d" not in names_called(captured)
    assert steps(captured) == ["relu_", "add_", "relu_"]
    assert_same(block, captured, torch.randn(2, 4, 8, 8, dtype=torch.float64))


def test_one_convolution_before_two_norms_is_folded_twice():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.a, self.b = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

        def forward(self, x):
            return self.b(self.conv(self.a(self.conv(x))))

    module = ready(Shared())
    module.b.running_mean += 1
    captured = capture(module)
    assert "BatchNorm2d" not in names_called(captured)
    assert_same(module, captured, torch.randn(2, 4, 3, 3, dtype=torch.float64))


class Doubling(nn.Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


def _hooked():
    conv = nn.Conv2d(4, 4, 1)
    conv.register_forward_hook(lambda module, args, output: output + 1)
    return conv


def _parametrized():
    conv = nn.Conv2d(4, 4, 1)
    nn.utils.parametrize.register_parametrization(conv, "weight", nn.Softplus())
    return conv


@pytest.mark.parametrize(
    "conv", [Doubling(4, 4, 1), _hooked(), _parametrized(), nn.ConvTranspose2d(4, 4, 1)]
)
def test_convolutions_that_are_more_than_that_are_not_folded(conv):
    module = ready(nn.Sequential(deepcopy(conv), nn.BatchNorm2d(4)))
    captured = capture(module)
    assert "BatchNorm2d" in names_called(captured)
    assert_same(module, captured, torch.randn(2, 4, 3, 3, dtype=torch.float64))


def test_a_convolution_that_others_read_is_not_folded():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(x)
            return self.norm(y) + y

    module = ready(Both())
    captured = capture(module)
    assert "BatchNorm2d" in names_called(captured)
    assert_same(module, captured, torch.randn(2, 4, 3, 3, dtype=torch.float64))


def test_a_norm_without_running_statistics_is_not_folded():
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    module = nn.Sequential(nn.Conv2d(4, 4, 1), norm).double().eval()
    assert "BatchNorm2d" in names_called(capture(module))


# --- memory and layout --------------------------------------------------------------------


class Reader(nn.Module):
    """Reads an array again after what could have overwritten it."""

    def __init__(self, kind):
        super().__init__()
        self.conv, self.kind = nn.Conv2d(4, 4, 1), kind

    def forward(self, x):
        if self.kind == "input":
            return torch.relu(x) + x
        y = self.conv(x)
        if self.kind == "relu":
            return torch.relu(y) * y
        if self.kind == "sum":
            return (y + x) * y
        if self.kind == "view":
            return F.relu(y[:, :2]) + y[:, 2:]
        return torch.add(y, x, alpha=3)


@pytest.mark.parametrize("kind", ["input", "relu", "sum", "view", "alpha"])
def test_nothing_is_overwritten_that_is_read_again(kind):
    module = Reader(kind).double().eval()
    captured = capture(module)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    before = x.clone()
    expected, given = module(x), captured(x)
    assert torch.equal(x, before)
    assert torch.equal(given, expected)


@pytest.mark.parametrize("function", [F.relu, torch.relu, nn.ReLU(), lambda y: y.relu()])
def test_relu_is_reused_however_it_is_written(function):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)
            self.relu = function if isinstance(function, nn.Module) else None

        def forward(self, x):
            y = self.conv(x)
            return self.relu(y) if self.relu is not None else function(y)

    module = Net().double().eval()
    captured = capture(module)
    assert steps(captured) == ["relu_"]
    assert steps(capture(module, in_place=False)) in ([], ["relu"])
    assert_same(module, captured, torch.randn(2, 4, 3, 3, dtype=torch.float64))


def test_view_works_on_channels_last():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(4, 8, 3), nn.Linear(32, 3)

        def forward(self, x):
            x = self.conv(x)
            return self.linear(x.view(x.size(0), -1))

    module = Flat().double().eval()
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view size"):
        module(x)
    torch.testing.assert_close(capture(module)(x), module(x.contiguous()))


@st.composite
def networks(draw):
    """Residual networks of a few blocks in any order, on 4 channels."""
    layers = []
    for _ in range(draw(st.integers(1, 5))):
        layers += draw(
            st.sampled_from(
                [
                    [nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()],
                    [nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1)],
                    [nn.ReLU(), nn.Dropout(0.5), nn.MaxPool2d(3, 1, 1)],
                    [Around(nn.Conv2d(4, 4, 1)), nn.Identity()],
                    [Around(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))), nn.ReLU()],
                    [Around(nn.ReLU(inplace=True))],
                ]
            )
        )
    return ready(deepcopy(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())))


class Around(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        x = x + self.inner(x)
        x += 1.0
        return x


@settings(max_examples=50)
@given(networks(), st.booleans())
def test_rewritten_networks_answer_alike(network, in_place):
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    captured = capture(network, in_place=in_place)
    with torch.no_grad():
        expected, given = network(x.clone()), captured(x.clone())
    scale = max(float(expected.abs().max()), 1e-3)
    torch.testing.assert_close(given, expected, rtol=1e-10, atol=1e-10 * scale)


# --- capturing ----------------------------------------------------------------------------


class Deciding(nn.Module):
    """Its steps depend on its data, so that it cannot be captured as a whole."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.heads = nn.ModuleList([nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3))])

    def forward(self, x, scale=None):
        if x.sum() > 1e9:
            return x
        x = self.body(x)
        return {"logits": self.heads[0](x).mean((2, 3)), "features": x}


def test_the_parts_of_a_module_that_decides_are_captured():
    module = ready(Deciding())
    assert capture(module) is None
    twin = twin_of(module)
    assert capture_parts(twin) == 2
    assert "BatchNorm2d" not in names_called(twin)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(twin(x)["logits"], module(x)["logits"])
    assert "BatchNorm2d" in names_called(module)


def test_parameters_that_are_not_given_keep_their_defaults():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x, mask=None, *, twice=False):
            x = self.conv(x)
            if mask is not None:
                x = x * mask
            return 2 * x if twice else x

    module = Masked().double().eval()
    assert_same(module, capture(module), torch.randn(2, 4, 3, 3, dtype=torch.float64))


def test_capturing_changes_nothing():
    module = ready(Block())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    structure = repr(module)
    captured = capture(module)
    captured(torch.randn(2, 4, 8, 8, dtype=torch.float64))
    assert repr(module) == structure
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.requires_grad for p in module.parameters())


# --- what is used in the end --------------------------------------------------------------


def made_ready(module, **settings):
    defaults = {"dtype": None, "autocast": None, "channels_last": "auto", "optimize": True}
    return Ready(module, device=torch.device("cpu"), answer_of=lambda x: x, **(defaults | settings))


class Noisy(nn.Module):
    """Draws a number that capturing would freeze."""

    def __init__(self, scale):
        super().__init__()
        self.conv, self.scale = nn.Conv2d(4, 4, 1), scale

    def forward(self, x):
        return (self.conv(x) + self.scale * torch.rand(4, 1, 1)).mean((2, 3))


def test_what_agrees_is_used():
    torch.manual_seed(0)
    x = torch.randn(5, 4, 8, 8)
    for scale, how in ((0.0, "rewritten"), (1e-6, "rewritten"), (1.0, "as it is")):
        asked = made_ready(Noisy(scale).eval())
        with torch.inference_mode():
            asked(x)
        assert asked.how == how


def test_where_channels_last_fails_it_is_left_out():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 8, 3)

        def forward(self, x):
            assert x.sum() < 1e9
            return self.conv(x).view(len(x), -1)

    module = Flat().eval()
    asked = made_ready(module)
    x = torch.randn(3, 4, 4, 4)
    with torch.no_grad():
        assert torch.equal(asked(x), module(x))
    assert asked.how == "as it is"


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({}, "rewritten"),
        ({"optimize": False}, "as it is, channels-last"),
        ({"optimize": False, "channels_last": False}, "as it is"),
        ({"channels_last": False}, "rewritten"),
    ],
)
def test_every_way_answers_within_the_stated_tolerance(settings, how):
    torch.manual_seed(0)
    module = nn.Sequential(Block(), nn.Flatten(), nn.Linear(128, 3)).eval()
    random_norm(module[0].bn1)
    x = torch.randn(6, 4, 8, 8)
    with torch.no_grad():
        expected = module(x)
        asked = made_ready(module, **settings)
        gap = (asked(x) - expected).abs().max()
    assert asked.how == how
    assert agreement(module) == 1e-4
    assert gap <= 1e-5 * expected.abs().max()


def test_tolerance_goes_by_precision():
    assert agreement(nn.Linear(2, 2).double()) == 1e-8
    assert agreement(nn.Linear(2, 2)) == 1e-4
    assert agreement(nn.Linear(2, 2).half()) == 3e-2
    assert agreement(nn.Linear(2, 2), torch.bfloat16) == 3e-2
