# SPDX-License-Identifier: BSD-3-Clause
"""torch modules: what they are asked, how, and that they do not notice."""

import copy
import logging
import pickle
import re
from functools import partial
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skzest import (
    ImageMasker,
    LimeSignatureTransformer,
    TabularMasker,
    zest_distances,
)
from skzest.asking import _batches
from skzest.asking._batches import Batch, Piece, Renderer
from skzest.exceptions import QueryError
from skzest.queries import HOST, CallableQuery, TorchQuery, as_query, respond
from skzest.queries._torch_space import TorchSpace
from skzest.testing import check_query

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
GRID = ImageMasker("grid", segmenter_params={"shape": (2, 3)})
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


class Net(nn.Module):
    """Small and residual, with batch norm that has seen data, dropout and a hidden attribute."""

    def __init__(self, n_classes=4, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(8, n_classes)
        for norm in (self.bn1, self.bn2):
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)) + x)
        return self.linear(self.dropout(x.mean((2, 3))))


def image_query(module=None, **params):
    return TorchQuery(Net().eval() if module is None else module, mean=MEAN, std=STD, **params)


image_lime = partial(
    LimeSignatureTransformer, reference=IMAGES, n_reference=5, n_samples=60, masker=GRID
)


def normalized(images):
    return torch.tensor(((images / 255 - MEAN) / STD).transpose(0, 3, 1, 2), dtype=torch.float32)


class Through(nn.Module):
    """Applies a function to what a linear layer says."""

    def __init__(self, function, n_out=3):
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.function = nn.Linear(6, n_out), function

    def forward(self, x):
        return self.function(self.linear(x))


TABLE = RNG.normal(size=(30, 6))


# --- torch is an extra --------------------------------------------------------------------


def test_a_module_becomes_a_torch_query():
    query = as_query(Net().eval(), preprocess=torch.Tensor.float, deterministic=False)
    assert isinstance(query, TorchQuery)
    assert (query.preprocess, query.deterministic) == (torch.Tensor.float, False)
    assert repr(query) == "TorchQuery(Net)"


@pytest.mark.parametrize(
    ("query", "X"),
    [
        (image_query(), IMAGES),
        (image_query(channels_last=False, optimize=False), IMAGES),
        (image_query(Net().double().eval()), IMAGES),
        (TorchQuery(Net().eval()), normalized(IMAGES).numpy()),
        (TorchQuery(Through(F.log_softmax).eval()), TABLE),
        (TorchQuery(Through(partial(F.softmax, dim=1)).eval(), output="predict_proba"), TABLE),
        (TorchQuery(Through(torch.tanh, 1), classes=["no", "yes"]), TABLE),
        (TorchQuery(Through(torch.tanh, 1), output="decision_function"), TABLE[:, :6]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*training mode:UserWarning", "ignore:Implicit dimension")
def test_queries_keep_the_contract(query, X):
    if query.outputs == ("decision_function",):
        query.model.function = torch.flatten
    check_query(query, X[:7])


# --- the same signature as by other means -------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-12)])
def test_linear_module_signature_is_weight_times_displacement(device, dtype, rtol):
    torch.manual_seed(0)
    module = nn.Linear(6, 3).to(device, getattr(torch, dtype)).eval()
    lime = LimeSignatureTransformer(TABLE, response="raw", n_samples=64, n_reference=9)
    signature = lime.fit_transform([module]).reshape(3, 9, 6)
    weight = module.weight.detach().cpu().double().numpy()
    expected = weight[:, None, :] * (TABLE[lime.plan_.indices] - TABLE.mean(axis=0))
    assert np.abs(expected).max() > 0.5
    assert_allclose(signature, expected, rtol=0, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("response", ["logit", "raw", "predict_proba"])
@pytest.mark.parametrize("surrogate", [None, "passthrough"])
def test_network_asked_on_its_device_as_through_numpy(response, surrogate, device):
    module = Net().eval()

    @torch.no_grad()
    def by_hand(images):
        return module(normalized(images)).numpy()

    slow = CallableQuery(by_hand, output="logits")
    fast = image_query(device=device)
    lime = image_lime(response=response, surrogate=surrogate)
    expected, given = lime.fit_transform([slow, fast])
    assert fast.how == "rewritten"
    assert np.ptp(expected) > 0.01
    assert_allclose(given, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_kernel_weights_and_other_surrogates_are_solved_alike():
    from sklearn.linear_model import Lasso, Ridge

    module = nn.Linear(6, 3).double().eval()
    weight, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
    models = [module, CallableQuery(lambda X: X @ weight.T + bias, output="logits")]
    for params in ({"kernel_width": 0.25}, {"surrogate": Ridge(2.0)}, {"surrogate": Lasso(0.01)}):
        lime = LimeSignatureTransformer(TABLE, n_reference=4, n_samples=40, **params)
        on_tensors, on_arrays = lime.fit_transform(models)
        assert_allclose(on_tensors, on_arrays, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "grey", "flat"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_copies_made_on_the_device_are_those_of_the_host(layout, dtype, device):
    images = IMAGES.astype(dtype)
    images = {
        "NHWC": images,
        "NCHW": images.transpose(0, 3, 1, 2),
        "grey": images[..., 0],
        "flat": images[..., 0].reshape(20, -1),
    }[layout]
    masker = ImageMasker("grid", image_shape=(8, 8) if layout == "flat" else None)
    lime = image_lime(reference=images, masker=masker).fit([CallableQuery(len, classes=[0, 1])])
    batch = Batch((Piece(0, 3, 9), Piece(2, 0, 40)))
    on_host = Renderer(lime.plan_, HOST)(batch)
    on_device = Renderer(lime.plan_, TorchSpace(torch.device(device)))(batch)
    assert isinstance(on_device, torch.Tensor)
    assert on_device.device.type == device
    assert dtype == "uint16" or str(on_device.dtype) == f"torch.{dtype}"
    assert_array_equal(on_device.cpu().numpy(), on_host)


# --- a zoo shares its work ----------------------------------------------------------------


def test_zoo_and_single_models_have_the_same_bits():
    zoo = [image_query(Net(seed=seed).eval()) for seed in range(3)]
    lime = image_lime().fit(zoo)
    together = lime.transform(zoo)
    assert len({row.tobytes() for row in together}) == 3
    for query, row in zip(zoo, together, strict=True):
        assert_array_equal(lime.transform([query])[0], row)


def test_each_batch_is_rendered_once_for_a_zoo_and_each_point_moved_once(monkeypatch):
    rendered, moved = [], []
    render, arrays = Renderer.__call__, Renderer._arrays

    def counted_arrays(self, n):
        moved.extend([n] if self._held is None or self._held[0] != n else [])
        return arrays(self, n)

    monkeypatch.setattr(
        Renderer, "__call__", lambda self, *a: (rendered.append(a[0]), render(self, *a))[1]
    )
    monkeypatch.setattr(Renderer, "_arrays", counted_arrays)
    zoo = [image_query(Net(seed=seed).eval()) for seed in range(3)]
    lime = image_lime(batch_size=25, n_classes=4).fit(zoo[:1])
    rendered.clear(), moved.clear()
    lime.transform(zoo)
    _first_look, *batches = rendered
    assert len(batches) == sum(-(-n // 25) for n in lime.plan_.n_questions) > 5
    assert moved[-5:] == [0, 1, 2, 3, 4]


def test_models_of_all_kinds_make_one_zoo():
    module = nn.Linear(6, 3).double().eval()
    weight, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
    twin = CallableQuery(lambda X: X @ weight.T + bias, output="logits")
    lime = LimeSignatureTransformer(TABLE, n_reference=4, n_samples=40)
    D = zest_distances(lime.fit_transform([module, twin, Through(torch.tanh).eval()]))
    assert D[0, 1] < 1e-12 < 0.01 < D[0, 2]


# --- batch sizes --------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-12)])
def test_batch_size_changes_no_more_than_rounding(dtype, rtol):
    # Kernels are chosen by the size of a batch, so the last bits are not the same.
    query = image_query(dtype=dtype)
    expected = image_lime().fit_transform([query])
    for batch_size in (1, 7, 60, 64, 1000, "tune"):
        given = image_lime(batch_size=batch_size).fit_transform([query])
        assert_allclose(given, expected, rtol=0, atol=rtol * np.abs(expected).max())


def test_auto_batch_size_goes_by_size_of_input_and_device():
    cpu, cuda = TorchSpace(torch.device("cpu")), TorchSpace(torch.device("cuda", 0))
    sizes = {}
    for side in (8, 32, 224):
        point = np.zeros((side, side, 3), np.uint8)
        sizes[side] = [_batches.auto_batch_size(point, space) for space in (cpu, cuda)]
        assert sizes[side][0] == _batches.auto_batch_size(point.astype(float), cpu)
    assert sizes[32][0] == 64
    assert all(small <= large for small, large in sizes.values())
    assert sizes[8] > sizes[32] > sizes[224]


class Greedy(nn.Module):
    """Holds no more than some copies at a time."""

    def __init__(self, most, error):
        super().__init__()
        self.linear, self.most, self.error = nn.Linear(6, 3).double(), most, error

    def forward(self, x):
        if len(x) > self.most:
            raise self.error
        return self.linear(x)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_batches_are_halved_when_memory_runs_out(error, caplog):
    caplog.set_level(logging.WARNING, logger="skzest")
    module = Greedy(9, error).eval()
    lime = LimeSignatureTransformer(TABLE, n_reference=3, n_samples=40)
    given = lime.fit_transform([module])
    assert f"out of memory at {lime.plan_.n_queries} copies" in caplog.text
    module.most = 1000
    assert_allclose(given, lime.transform([module]), rtol=1e-12)
    module.most = 0
    with pytest.raises((type(error), MemoryError), match="memory"):
        lime.transform([module])


def test_other_errors_of_a_module_are_its_own():
    with pytest.raises(RuntimeError, match="a bug"):
        LimeSignatureTransformer(TABLE).fit_transform([Greedy(0, RuntimeError("a bug")).eval()])


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_n_jobs_changes_no_more_than_rounding(backend):
    zoo = [image_query(Net(seed=seed).eval()) for seed in range(2)]
    expected = image_lime().fit_transform(zoo)
    with joblib.parallel_config(backend):
        given = image_lime(n_jobs=2).fit_transform(zoo)
    # A process may have fewer threads, and sums then another order.
    assert_allclose(given, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


class Elsewhere(TorchSpace):
    """A CPU that is treated as another device: asked here, ahead of what is looked at."""

    stays_here = True


class ElsewhereWithoutFloat64(Elsewhere):
    has_float64 = False


@pytest.mark.parametrize("space", [Elsewhere, ElsewhereWithoutFloat64])
@pytest.mark.parametrize("reference", [IMAGES, IMAGES.astype(np.float64)])
def test_the_way_of_devices_gives_the_same(space, reference, monkeypatch):
    query = TorchQuery(Net().eval(), mean=MEAN, std=STD)
    if reference.dtype != np.uint8:
        query = TorchQuery(Net().eval(), preprocess=lambda x: x.permute(0, 3, 1, 2) / 255)
    lime = image_lime(reference=reference)
    expected = lime.fit_transform([query])
    monkeypatch.setattr(TorchQuery, "space", property(lambda self: space(self.device)))
    lime.n_jobs = 2
    given = lime.transform([query])
    assert_allclose(given, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-3


# --- the module does not notice -----------------------------------------------------------


class Remembering(Net):
    """Writes down what it sees, as attributes and in a buffer, and to its input."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.seen = []

    def forward(self, x):
        if x.sum() < 1e9:  # cannot be captured
            self.count += 1
            self.seen.append(x)
            x -= 1
        return super().forward(x)


def state_of(module):
    return {
        "training": [part.training for part in module.modules()],
        "grad": [p.requires_grad for p in module.parameters()],
        "no grad": [p.grad is None for p in module.parameters()],
        "where": [(p.data_ptr(), p.device, p.dtype, p._version) for p in module.parameters()],
        "strides": [p.stride() for p in module.parameters()],
        "values": [t.clone().tolist() for t in module.state_dict().values()],
        "hooks": [len(part._forward_hooks) for part in module.modules()],
        "names": [sorted(vars(part)) for part in module.modules()],
        "structure": repr(module),
    }


@pytest.mark.filterwarnings("ignore:.*training mode:UserWarning")
@pytest.mark.parametrize("make", [Net, Remembering])
@pytest.mark.parametrize("params", [{}, {"dtype": "float64"}, {"optimize": False}])
def test_module_is_left_as_it_was(make, params):
    module = make()
    module.train()
    module.bn2.eval()
    module.conv1.weight.requires_grad_(False)
    module.linear.register_forward_hook(lambda *args: None)
    before = state_of(module)
    image_lime().fit_transform([image_query(module, **params)])
    assert state_of(module) == before
    assert getattr(module, "seen", []) == []
    # It can go on learning.
    module(normalized(IMAGES)).sum().backward()


@pytest.mark.filterwarnings("ignore:.*training mode:UserWarning")
def test_module_that_cannot_be_copied_is_put_back_into_its_mode():
    module = Net()
    module.lock = __import__("threading").Lock()  # no copy of it can be made
    module.train()
    module.bn2.eval()
    before = state_of(module)
    expected = image_lime().fit_transform([image_query(Net().eval())])
    assert_array_equal(image_lime().fit_transform([image_query(module)]), expected)
    assert state_of(module) == before
    with pytest.raises(TypeError, match=r"Net cannot be copied .* call model.to"):
        image_lime().fit_transform([image_query(module, dtype="float64")])
    assert state_of(module) == before


@pytest.mark.filterwarnings("ignore:.*training mode:UserWarning")
def test_module_whose_method_was_replaced_is_asked_through_the_replacement():
    module = Net()
    module.forward = lambda x: 2 * Net.forward(module, x)
    plain, doubled = image_lime().fit_transform([image_query(), image_query(module)])
    assert module.training
    assert np.abs(plain).max() > 1e-3
    assert_allclose(doubled, 2 * plain, rtol=0, atol=1e-5 * np.abs(plain).max())


@pytest.mark.filterwarnings("ignore:.*training mode:UserWarning")
def test_module_is_put_back_after_an_error():
    module = Net()
    module.linear.bias.data[0] = torch.nan
    before = state_of(module)["training"]
    with pytest.raises(ValueError, match=r"gave \d+ non-finite scores"):
        image_lime().fit_transform([image_query(module)])
    assert state_of(module)["training"] == before


def test_training_mode_is_warned_of_and_dropout_is_off():
    module = Net()
    module.train()
    with pytest.warns(UserWarning, match="Net is in training mode. It is asked in eval mode"):
        given = image_lime().fit_transform([image_query(module)])
    assert_array_equal(given, image_lime().fit_transform([image_query()]))
    module.eval().dropout.train()
    with pytest.warns(UserWarning, match=r"Net has 1 parts \(dropout, ...\) in training mode"):
        image_lime().fit_transform([image_query(module)])


@pytest.mark.parametrize("p", [0.5, 0.01])
def test_dropout_left_on_is_detected(p):
    class Leaky(Net):
        def forward(self, x):
            return self.linear(F.dropout(F.relu(self.conv1(x)).mean((2, 3)), p, training=True))

    lime = image_lime(n_classes=4)
    with pytest.raises(ValueError, match="answers the same question differently"):
        lime.fit_transform([image_query(Leaky().eval())])
    S = lime.fit_transform([image_query(Leaky().eval(), deterministic=False)])
    assert np.isfinite(S).all()


def test_one_model_cannot_spoil_the_batch_of_the_others():
    class Spoiling(Through):
        def forward(self, x):
            x *= 0
            return super().forward(x)

    zoo = [Spoiling(torch.tanh).double().eval(), Through(torch.tanh).double().eval()]
    lime = LimeSignatureTransformer(TABLE, n_reference=3, n_samples=30)
    with pytest.warns(UserWarning, match="same scores to every question"):
        spoilt, fine = lime.fit_transform(zoo)
    assert_array_equal(fine, lime.transform(zoo[1:])[0])
    assert not spoilt.any()


def test_changes_between_two_runs_are_seen():
    query = image_query()
    lime = image_lime().fit([query])
    before = lime.transform([query])
    query.model.linear.weight.data.mul_(2)
    assert_allclose(lime.transform([query]), 2 * before, rtol=0, atol=1e-5 * np.abs(before).max())


def test_queries_travel():
    query = image_query(classes=["a", "b", "c", "d"], autocast="bfloat16")
    for twin in (pickle.loads(pickle.dumps(query)), copy.deepcopy(query), copy.copy(query)):
        assert twin.space == query.space
        assert twin.classes_.tolist() == ["a", "b", "c", "d"]
        assert twin.autocast is torch.bfloat16
    space = query.space
    assert pickle.loads(pickle.dumps(space)) == space
    assert hash(TorchSpace(torch.device("cpu"))) == hash(space)
    assert repr(space) == "TorchSpace(array_api_compat.torch, device='cpu')"


def test_nested_sessions_share_one_preparation():
    query = image_query()
    with query.session():
        ready = query._ready
        with query.session():
            assert query._ready is ready
        assert query._ready is ready
        assert torch.is_inference_mode_enabled()
    assert query._ready is None


# --- what a module answers ----------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda z: (z, z[:, :1]),
        lambda z: [z],
        lambda z: {"logits": z, "hidden": 2 * z},
        lambda z: {"out": z, "name": "x"},
        lambda z: SimpleNamespace(logits=z, hidden=2 * z),
    ],
)
def test_scores_are_found_in_what_is_returned(function):
    plain, wrapped = Through(torch.nn.Identity()).eval(), Through(function).eval()
    lime = LimeSignatureTransformer(TABLE, n_reference=3, n_samples=30)
    a, b = lime.fit_transform([plain, wrapped])
    assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda z: {"a": z, "b": z}, "returned a dict of 'a' and 'b'; expected a tensor"),
        (lambda z: "text", "returned a str; expected a tensor"),
        (lambda z: (), "returned a tuple"),
        (lambda z: z[:, 0], r"returned logits of shape \(8,\)"),
        (lambda z: z[:4], r"returned logits of shape \(4, 3\) for a batch of 8"),
    ],
)
def test_answers_without_scores_are_refused(function, match):
    with pytest.raises(QueryError, match=match):
        LimeSignatureTransformer(TABLE).fit_transform([Through(function).eval()])


def test_one_column_and_two_labels_are_log_odds():
    one, two = Through(lambda z: z, 1).double(), Through(lambda z: z, 2).double()
    two.linear.weight.data[:] = torch.cat([torch.zeros(1, 6), one.linear.weight.data])
    two.linear.bias.data[:] = torch.cat([torch.zeros(1), one.linear.bias.data])
    queries = [TorchQuery(m.eval(), classes=["no", "yes"]) for m in (one, two)]
    x = torch.tensor(TABLE)
    for response in ("logit", "predict_proba", "label"):
        a, b = (respond(query, x, response) for query in queries)
        assert a.std() > 0.1
        assert_allclose(a.numpy(), b.numpy(), atol=1e-12)
    probability = Through(torch.sigmoid, 1).double().eval()
    query = TorchQuery(probability, classes=["no", "yes"], output="predict_proba")
    assert_allclose(
        respond(query, x, "predict_proba"), respond(queries[0], x, "predict_proba"), atol=1e-12
    )


# --- what a module is given ---------------------------------------------------------------


def spy(seen):
    def preprocess(x):
        seen.append((x.dtype, tuple(x.shape[1:]), float(x.max())))
        return x.permute(0, 3, 1, 2) / 255

    return preprocess


def test_preprocess_gets_the_reference_as_it_is():
    seen = []
    image_lime().fit_transform([TorchQuery(Net().eval(), preprocess=spy(seen))])
    assert {(dtype, shape) for dtype, shape, _ in seen} == {(torch.uint8, (8, 8, 3))}
    assert max(high for *_, high in seen) == 255


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_mean_and_std_normalize_as_by_hand(layout, dtype):
    images = IMAGES if dtype == np.uint8 else (IMAGES / 255).astype(dtype)
    images = images if layout == "NHWC" else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    query = image_query()
    x = query.prepare(torch.tensor(images))
    assert x.dtype == torch.float32
    assert_allclose(x.numpy(), normalized(IMAGES).numpy(), atol=1e-5)


RAW = {
    "uint8": IMAGES,
    "dark": IMAGES // 64,
    "float32": IMAGES.astype(np.float32),
    "int16": IMAGES.astype(np.int16),
    "int32": 257 * IMAGES.astype(np.int32),
    "scaled": IMAGES / 255,
}


@pytest.mark.filterwarnings("ignore:.*not scaled")
@pytest.mark.parametrize("is_grey", [False, True])
@pytest.mark.parametrize("kind", RAW)
def test_code_in_an_error_scales_images_to_0_1(kind, is_grey):
    images = RAW[kind][..., 0] if is_grey else RAW[kind]
    net = nn.Sequential(nn.Conv2d(1 if is_grey else 3, 2, 3), nn.Flatten(), nn.Linear(72, 2)).eval()
    with pytest.raises(QueryError, match="first convolution") as said:
        TorchQuery(net).ask(torch.tensor(images), "logits")
    code = re.search(r"preprocess=(lambda x: .*?)\. \(", str(said.value)).group(1)
    x = TorchQuery(net, preprocess=eval(code)).prepare(torch.tensor(images))
    expected = IMAGES // 64 / 255 if kind == "dark" else IMAGES / 255
    expected = expected[:, None, ..., 0] if is_grey else expected.transpose(0, 3, 1, 2)
    assert_allclose(x.numpy(), expected, atol=1e-6)


def test_grey_images_get_an_axis_of_channels():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2)).eval()
    x = TorchQuery(net, mean=0.5, std=0.5).prepare(torch.tensor(IMAGES[..., 0]))
    assert x.shape == (20, 1, 8, 8)
    assert_allclose(x[:, 0].numpy(), (IMAGES[..., 0] / 255 - 0.5) / 0.5, atol=1e-6)


def test_dtype_and_autocast_are_as_asked():
    expected = image_lime().fit_transform([image_query()])
    double = image_lime().fit_transform([image_query(dtype=torch.float64)])
    short = image_lime().fit_transform([image_query(autocast="bfloat16")])
    scale = np.abs(expected).max()
    assert 0 < np.abs(double - expected).max() < 1e-5 * scale
    assert 1e-5 * scale < np.abs(short - expected).max() < 0.1 * scale
    with image_query(dtype="float64").session() as query:
        assert query.prepare(query.space.asarray(IMAGES)).dtype == torch.float64


def test_indices_of_a_first_embedding_stay_whole_numbers():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(20, 4), nn.Flatten(), nn.Linear(20, 3)).eval()
    tokens = RNG.integers(0, 20, (30, 5))
    masker = TabularMasker(fill="mean")
    S = LimeSignatureTransformer(tokens, masker=masker, n_reference=3).fit_transform([net])
    assert np.abs(S).max() > 0.01


FLOATS = IMAGES.astype(np.float32)
FIRST = np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))
FLAT = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))


@pytest.mark.parametrize(
    ("make", "reference", "match"),
    [
        (TorchQuery, FIRST, "gets uint8 copies as numbers up to 255, not scaled"),
        (TorchQuery, FIRST.astype(np.float32), "gets images with values up to 255, not scaled"),
        (image_query, FLOATS, "values up to 255, as if they were in 0-1"),
        (lambda _: TorchQuery(FLAT.eval()), FLOATS / 255, "begins with a linear layer and gets"),
    ],
)
def test_input_that_is_silently_wrong_is_warned_of_once(make, reference, match):
    with pytest.warns(UserWarning, match=match) as caught:
        image_lime(reference=reference).fit_transform([make(Net().eval())])
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("query", "reference"),
    [
        (image_query(), IMAGES),
        (image_query(), (IMAGES / 255).astype(np.float32)),
        (TorchQuery(Net().eval(), preprocess=lambda x: x.permute(0, 3, 1, 2).float()), IMAGES),
        (TorchQuery(Net().eval()), normalized(IMAGES).numpy()),
        (TorchQuery(FLAT.eval()), FIRST.astype(np.float32) / 255),
    ],
)
def test_input_that_fits_is_not_warned_of(query, reference):
    image_lime(reference=reference).fit_transform([query])  # warnings are errors


def test_wrong_layout_is_explained():
    with pytest.raises(QueryError, match=r"these are channels-last: pass mean= and std=, or prep"):
        image_lime(reference=(IMAGES / 255).astype(np.float32)).fit_transform([Net().eval()])
    with pytest.raises(QueryError, match="grey images need an axis of channels"):
        image_lime(reference=(IMAGES[..., 0] / 255).astype(np.float32)).fit_transform(
            [Net().eval()]
        )


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"preprocess": abs, "mean": 0, "std": 1}, "either preprocess, or mean and std"),
        ({"mean": 0.5}, "give both"),
        ({"mean": 0.5, "std": 0}, "must be positive"),
        ({"mean": [0.1, 0.2], "std": 1}, "the module takes 3 channels"),
        ({"mean": [[0.1]], "std": 1}, "must be one finite number, or one per channel"),
        ({"output": "predict"}, "output must be 'logits', .*; got 'predict'"),
        ({"dtype": "int8"}, "dtype=torch.int8 is not a floating dtype"),
        ({"autocast": "half a float"}, "autocast='half a float' is not a floating dtype"),
        ({"channels_last": "maybe"}, "must be True, False or 'auto'; got 'maybe'"),
        ({"classes": [1, 1]}, "more than once"),
    ],
)
def test_parameters_are_checked(params, match):
    with pytest.raises(ValueError, match=match):
        TorchQuery(Net().eval(), **params)


def test_normalization_in_0_to_255_is_refused():
    query = TorchQuery(Net().eval(), mean=(125.0, 123.0, 114.0), std=(63.0, 62.0, 67.0))
    with pytest.raises(ValueError, match="divide both by 255"):
        image_lime().fit_transform([query])


def test_axes_that_could_be_either_are_refused():
    images = RNG.integers(0, 256, (6, 3, 8, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="either axis can hold the 3 channels"):
        image_query().prepare(torch.tensor(images))
    with pytest.raises(ValueError, match="no axis can hold the 3 channels"):
        image_query().prepare(torch.tensor(images[:, :2, :, :2]))


@pytest.mark.parametrize("device", ["cuda:99", "mps:7", "gpu", torch.device("xpu:55")])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ValueError, match=r"device='.*' cannot be used here \(.*Leave device= out"):
        TorchQuery(Net().eval(), device=device)
    assert TorchQuery(Net().eval()).device.type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_where_there_is_none():
    with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
        TorchQuery(Net().eval(), device="cuda")


def test_what_is_not_a_module_is_refused():
    with pytest.raises(TypeError, match=r"takes a torch.nn.Module; got function"):
        TorchQuery(lambda x: x)
    with pytest.raises(TypeError, match=r"Net is a class, not a model"):
        as_query(Net)
    with pytest.raises(NotFittedError, match="Sequential has parameters without a shape"):
        TorchQuery(nn.Sequential(nn.LazyLinear(3)))
    with pytest.raises(ValueError, match="lies on the meta device"):
        TorchQuery(nn.Linear(2, 2, device="meta"))
    with pytest.raises(QueryError, match="was asked for predict, and offers logits"):
        TorchQuery(Net().eval()).ask(normalized(IMAGES), "predict")


# --- what modules and preprocess do to each other -----------------------------------------


def test_a_preprocess_that_writes_to_its_batch_affects_no_other_model():
    module = nn.Linear(6, 3).double().eval()
    zoo = [TorchQuery(module, preprocess=lambda X: X.clamp_(-0.3, 0.3)), TorchQuery(module)]
    lime = LimeSignatureTransformer(TABLE, n_reference=4, n_samples=40)
    together = lime.fit_transform(zoo)
    assert_array_equal(together[1], lime.transform(zoo[1:])[0])
    assert not np.allclose(together[0], together[1])


def test_inputs_by_name_are_those_of_tokenizers():
    class ByName(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 3).double()

        def forward(self, values, scale):
            return {"logits": self.linear(values * scale)}

    module = ByName().eval()
    named = TorchQuery(module, preprocess=lambda X: {"values": X, "scale": torch.tensor(2.0)})
    plain = TorchQuery(module.linear, preprocess=lambda X: 2 * X)
    lime = LimeSignatureTransformer(TABLE, n_reference=4, n_samples=40)
    assert_allclose(*lime.fit_transform([named, plain]), rtol=1e-12)


class OfWords(nn.Module):
    """Looks words up, with the layer that does so defined last."""

    def __init__(self):
        super().__init__()
        self.head, self.words = nn.Linear(4, 3), nn.Embedding(10, 4)

    def forward(self, x):
        return self.head(self.words(x).mean(1))


@pytest.mark.parametrize("dtype", ["int64", "int32"])
@pytest.mark.parametrize("preprocess", [None, torch.Tensor.long, lambda x: x[:, ::2]])
def test_whole_numbers_stay_where_they_are_looked_up(dtype, preprocess):
    words = RNG.integers(0, 10, (30, 6)).astype(dtype)
    lime = LimeSignatureTransformer(words, n_reference=2, n_samples=40)
    assert np.isfinite(
        lime.fit_transform([TorchQuery(OfWords().eval(), preprocess=preprocess)])
    ).all()


def test_what_preprocess_returns_is_what_the_module_gets():
    seen = []

    def forward(x):
        seen.append(x.dtype)
        return x.real.double() if x.is_complex() else x.double()

    module = nn.Module()
    module.forward = forward
    for dtype in (torch.uint8, torch.int16, torch.int64, torch.bool, torch.complex64):
        query = TorchQuery(module.eval(), preprocess=lambda x, dtype=dtype: x.to(dtype))
        query.ask(torch.ones(3, 4), "logits")
        assert set(seen) == {dtype}
        seen.clear()


def test_whole_numbers_that_the_module_does_not_take_are_cast():
    rearranged = TorchQuery(Net().eval(), preprocess=lambda x: x.permute(0, 3, 1, 2))
    cast = TorchQuery(Net().eval(), preprocess=lambda x: x.permute(0, 3, 1, 2).float())
    assert_array_equal(*image_lime().fit_transform([rearranged, cast]))


def test_the_error_is_that_of_the_numbers_as_they_came():
    query = TorchQuery(nn.Linear(6, 3).eval(), preprocess=lambda x: x[:, :2].long())
    with pytest.raises(RuntimeError, match="same dtype") as said:
        query.ask(torch.zeros(3, 6), "logits")
    assert "shapes cannot be multiplied" not in str(said.value)


def test_answers_have_memory_of_their_own():
    kept = torch.zeros(4, 3)
    module = Through(kept.copy_).eval()
    query = TorchQuery(module, optimize=False)
    first = query.ask(torch.ones(4, 6), "logits")
    before = first.clone()
    assert not torch.equal(query.ask(torch.zeros(4, 6), "logits"), before)
    assert torch.equal(first, before)


def test_preprocess_must_give_tensors():
    query = TorchQuery(nn.Linear(6, 3).eval(), preprocess=lambda X: X.numpy())
    with pytest.raises(QueryError, match="returned ndarray for a tensor of shape"):
        LimeSignatureTransformer(TABLE, n_reference=4, n_samples=40).fit([query])


def test_answers_that_depend_on_the_batch_are_warned_of():
    module = Through(lambda x: x - x.mean(0)).eval()
    lime = LimeSignatureTransformer(TABLE, n_reference=4, n_samples=40)
    with pytest.warns(UserWarning, match="when the rest of the batch changes"):
        lime.fit_transform([TorchQuery(module, preprocess=torch.Tensor.float)])


def test_a_branch_that_the_trace_lost_is_found_in_the_first_large_batch():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, x):
            if isinstance(x, torch.Tensor):  # a proxy is none, so the trace has no such step
                dark = x.mean((1, 2, 3), keepdim=True) < bound
                x = torch.where(dark, -x, x)
            return self.net(x)

    images = RNG.integers(120, 256, (30, 8, 8, 3)).astype(np.uint8)
    images[:, :4] //= 8
    lime = image_lime(reference=images, masker=ImageMasker("grid", fill=0)).fit([image_query()])
    render = Renderer(lime.plan_, HOST)
    copies = [render(Batch((Piece(n, 0, 60),))) for n in range(5)]
    bound = float(torch.cat([normalized(c).mean((1, 2, 3)) for c in copies]).quantile(0.3))
    module = Branching().eval()
    as_is, rewritten = (
        lime.transform([image_query(module, optimize=optimize)]) for optimize in (False, True)
    )
    assert_allclose(rewritten, as_is, atol=1e-4 * np.abs(as_is).max())


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_whole_numbers_that_are_not_scaled_bring_a_warning(dtype):
    with pytest.warns(UserWarning, match="as if they were in 0-1"):
        image_lime(reference=IMAGES.astype(dtype)).fit([image_query()])


def test_a_module_with_one_mode_is_asked_as_it_is():
    class Exported(nn.Linear):
        def eval(self):
            raise NotImplementedError("Calling eval() is not supported yet.")

        def __deepcopy__(self, memo):
            raise RuntimeError("cannot be copied")

    module = Exported(6, 3)
    module.training = False
    lime = LimeSignatureTransformer(TABLE, n_reference=4, n_samples=40)
    assert np.isfinite(lime.fit_transform([TorchQuery(module)])).all()


@pytest.mark.parametrize(
    ("params", "eps"),
    [
        ({}, 2.0**-23),
        ({"dtype": "float64"}, 2.0**-52),
        ({"dtype": "bfloat16"}, 2.0**-7),
        ({"autocast": "bfloat16"}, 2.0**-7),
        ({"autocast": "float16"}, 2.0**-10),
    ],
)
def test_rounding_unit_is_that_of_the_computation(params, eps):
    class Float32Out(Net):
        def forward(self, x):
            return super().forward(x).float()

    query = image_query(Float32Out().eval(), device="cpu", **params)
    assert query.eps == eps


def test_a_network_in_bfloat16_is_near_itself_and_constant_up_to_its_rounding():
    lime = image_lime().fit([image_query()])
    full, half, other = lime.transform(
        [image_query(), image_query(autocast="bfloat16"), image_query(Net(seed=1).eval())]
    )
    assert 0 < zest_distances(full, half) < 0.01 < zest_distances(full, other)

    class Flat(Net):
        def forward(self, x):
            return 100 * torch.eye(4)[0] + 0.1 * super().forward(x)

    flat = image_query(Flat().eval(), autocast="bfloat16")
    with pytest.warns(UserWarning, match="same scores to every question"):
        assert not lime.transform([flat]).any()
