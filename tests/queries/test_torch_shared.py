# SPDX-License-Identifier: BSD-3-Clause
"""Networks that prepare a batch alike share the result, and none can change it for the others."""

import gc
import threading
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skzest import ImageMasker, LimeSignatureTransformer
from skzest.queries import ImageNormalizer, TorchQuery, shared_inputs

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
GRID = ImageMasker("grid", segmenter_params={"shape": (2, 3)})


class Means(nn.Module):
    """Linear in the channels' means, after a function of the input."""

    def __init__(self, seed=0, first=lambda x: x):
        super().__init__()
        torch.manual_seed(seed)
        self.linear, self.first = nn.Linear(3, 4), first

    def forward(self, x):
        return self.linear(self.first(x).mean((2, 3)))


class Counted:
    """A preprocess that counts its calls."""

    def __init__(self):
        self.n_calls = 0

    def __call__(self, x):
        self.n_calls += 1
        return x.permute(0, 3, 1, 2) / 255


def lime(**params):
    return LimeSignatureTransformer(
        IMAGES, n_reference=3, n_samples=60, masker=GRID, batch_size=20, n_classes=4, **params
    )


def zoo_of(n, **params):
    return [TorchQuery(Means(seed).eval(), **params) for seed in range(n)]


def calls_for(zoo, preprocess):
    """Calls for the batches of a run, without those of the first looks, which are alone."""
    fitted = lime().fit(zoo)
    n_batches = sum(-(-n // 20) for n in fitted.plan_.n_questions)
    preprocess.n_calls = 0
    fitted.transform(zoo)
    with_looks, n_looks = preprocess.n_calls, 0
    for query in zoo:
        preprocess.n_calls = 0
        fitted.transform([query])
        n_looks += preprocess.n_calls - n_batches
    return (with_looks - n_looks) / n_batches


def test_one_function_prepares_each_batch_once_for_all():
    preprocess = Counted()
    assert calls_for(zoo_of(3, preprocess=preprocess), preprocess) == 1


@pytest.mark.parametrize(
    ("params", "n_ways"),
    [
        ({}, 2),  # the convolutions get their inputs channels-last
        ({"channels_last": False}, 2),
        ({"deterministic": False}, 3),
        ({"dtype": "float64"}, 3),
    ],
)
def test_only_what_is_prepared_alike_is_shared(params, n_ways):
    preprocess = Counted()
    conv = nn.Sequential(nn.Conv2d(3, 4, 3), Mean()).eval()
    zoo = zoo_of(2, preprocess=preprocess)
    zoo += [TorchQuery(conv, preprocess=preprocess)]
    zoo += [TorchQuery(conv, preprocess=preprocess, **params)]
    assert calls_for(zoo, preprocess) == n_ways


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def test_equal_means_and_deviations_are_prepared_once(monkeypatch):
    calls, call = [], ImageNormalizer.__call__
    monkeypatch.setattr(
        ImageNormalizer, "__call__", lambda self, X: (calls.append(self), call(self, X))[1]
    )
    X = torch.tensor(IMAGES)
    first, second = zoo_of(2, mean=(0.5, 0.4, 0.3), std=0.25)
    (other,) = zoo_of(1, mean=(0.5, 0.4, 0.3), std=0.2)
    with shared_inputs():
        for query in (first, second, other, first):
            query.ask(X, "logits")
        assert calls == [first.preprocess, other.preprocess]
        first.ask(X.clone(), "logits")
    first.ask(X, "logits")
    assert len(calls) == 4


def written_by_numpy(x):
    array = x.detach().numpy()
    array *= 2
    return x


def flipped_by_numpy(x):
    array = x.detach().numpy()
    array[:] = array[:, ::-1].copy()
    return x


WRITERS = {
    "in place": lambda x: x.mul_(0.5),
    "one channel": lambda x: x.index_fill_(1, torch.tensor([0]), 0.0),
    "through a view": lambda x: x[:, :1].add_(1) + x,
    "through .data": lambda x: (x.data.add_(1), x)[1],
    "through NumPy": written_by_numpy,
    # What keeps every sum of a row.
    "channels swapped through .data": lambda x: (x.data.copy_(x.data.flip(1).clone()), x)[1],
    "channels swapped through NumPy": flipped_by_numpy,
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    "given", [{"mean": (0.5, 0.4, 0.3), "std": 0.25}, {"preprocess": Counted()}], ids=list
)
def test_a_network_that_writes_into_its_input_changes_nothing_for_the_next(writer, given):
    zoo = [
        TorchQuery(Means(0).eval(), **given),
        TorchQuery(Means(1, WRITERS[writer]).eval(), **given),
        TorchQuery(Means(2).eval(), **given),
        TorchQuery(Means(3, WRITERS[writer]).eval(), **given),
    ]
    fitted = lime().fit(zoo)
    together = fitted.transform(zoo)
    for query, row in zip(zoo, together, strict=True):
        assert_array_equal(fitted.transform([query])[0], row)


@pytest.mark.parametrize(
    ("pack", "unpack"),
    [
        (lambda x: x, lambda v: v),
        (lambda x: {"of": [x]}, lambda v: v["of"][0]),
        (lambda x: (x, None), lambda v: v[0]),
        (lambda x: x.numpy(), torch.as_tensor),
    ],
    ids=["tensor", "nested", "tuple", "NumPy"],
)
def test_inputs_by_name_are_shared_and_no_network_spoils_them(pack, unpack):
    class Named(Means):
        def forward(self, pixels, factor):
            answer = super().forward(unpack(pixels)) * factor
            if isinstance(pixels, dict):
                pixels.clear()
            return answer

    def preprocess(x):
        calls.append(len(x))
        return {"pixels": pack(x.permute(0, 3, 1, 2) / 255), "factor": 2.0}

    calls = []
    zoo = [
        TorchQuery(Named(0, lambda x: x.neg_()).eval(), preprocess=preprocess),
        *(TorchQuery(Named(1).eval(), preprocess=preprocess) for _ in "ab"),
    ]
    X = torch.tensor(IMAGES)
    expected = zoo[1].ask(X, "logits")
    calls.clear()
    with shared_inputs():
        answers = [query.ask(X, "logits") for query in zoo]
    assert len(calls) == 1
    assert torch.equal(answers[1], expected) and torch.equal(answers[2], expected)


def test_inputs_that_cannot_be_copied_are_made_for_each():
    class Locked(Means):
        def forward(self, pixels, lock):
            with lock:
                return super().forward(pixels)

    def preprocess(x):
        calls.append(len(x))
        return {"pixels": x.permute(0, 3, 1, 2) / 255, "lock": threading.Lock()}

    calls = []
    zoo = [TorchQuery(Locked(seed).eval(), preprocess=preprocess) for seed in range(2)]
    with shared_inputs():
        for query in zoo:
            query.ask(torch.tensor(IMAGES), "logits")
    assert len(calls) == 2


def test_nothing_is_held_after_the_batch_and_little_within_it():
    made = []

    def preparing(shift):
        def preprocess(x):
            prepared = x.permute(0, 3, 1, 2) / 255 + shift
            made.append(weakref.ref(prepared))
            return prepared

        return preprocess

    zoo = [TorchQuery(Means().eval(), preprocess=preparing(shift)) for shift in range(9)]
    X = torch.tensor(IMAGES)
    with shared_inputs():
        for query in zoo:
            query.ask(X, "logits")
        gc.collect()
        assert 0 < sum(ref() is not None for ref in made) <= 5
    gc.collect()
    assert not any(ref() is not None for ref in made)


def test_a_preprocess_may_keep_a_tensor_and_write_into_it():
    class Buffered:
        buffer = None

        def __call__(self, x):
            if self.buffer is None or len(self.buffer) != len(x):
                self.buffer = torch.empty(len(x), 3, 8, 8)
            return self.buffer.copy_(x.permute(0, 3, 1, 2)) / 255

    zoo = zoo_of(2, preprocess=Buffered())
    fitted = lime().fit(zoo)
    expected = fitted.transform(zoo_of(2, preprocess=Counted()))
    assert_allclose(fitted.transform(zoo), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
