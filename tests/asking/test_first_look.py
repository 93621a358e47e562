# SPDX-License-Identifier: BSD-3-Clause
"""Questions asked again: models that change in the middle of a run, and models that do not."""

import re
import sys
import warnings
from functools import partial

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal

from skzest import CallableQuery, LimeSignatureTransformer, QueryError
from skzest.asking._first_look import Gap
from skzest.exceptions import UndefinedSignatureWarning

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
W, V = RNG.normal(size=(6, 4)), RNG.normal(size=(4, 4))


def right(batch):
    return np.tanh(np.asarray(batch) @ W) @ V


class Service:
    """Answers rightly for some calls, then not; counts what it was asked."""

    def __init__(self, lie, n_right):
        self.lie, self.n_right = lie, n_right
        self.n_calls = self.n_rows = 0
        self.before = None

    def __call__(self, batch):
        self.n_calls += 1
        self.n_rows += len(batch)
        scores = right(batch)
        before, self.before = self.before, scores
        return scores if self.n_calls <= self.n_right else self.lie(scores, before)


LIES = {
    "frozen": lambda z, before: np.repeat(z[:1], len(z), 0),
    "previous": lambda z, before: before if before.shape == z.shape else z[::-1],
    "permuted": lambda z, before: z[RNG.permutation(len(z))],
    "classes swapped": lambda z, before: z[:, [1, 0, 2, 3]],
    "scaled": lambda z, before: 1.2 * z,
    "noise": lambda z, before: z + 0.1 * RNG.normal(size=z.shape),
    "zeros": lambda z, before: 0 * z,
}


_lime = partial(LimeSignatureTransformer, reference=X, n_reference=48, n_samples=64)


@pytest.mark.parametrize("batch_size", ["auto", 64, 30])
@pytest.mark.parametrize("lie", LIES)
def test_lies_that_begin_in_the_middle_are_noticed(lie, batch_size):
    params = {"batch_size": batch_size}
    if batch_size == "auto":
        params |= {"n_reference": 60, "n_samples": 1000, "sampling": "bernoulli", "batch_size": 250}
    service = Service(LIES[lie], n_right=8)
    with pytest.raises(QueryError, match=r"models\[0\] .* no longer answers as it did .* copies"):
        _lime(**params).fit_transform([CallableQuery(service, output="logits")])


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("batch_size", ["auto", 64, 30, 7])
@pytest.mark.parametrize("lie", ["frozen", "previous", "classes swapped", "scaled", "zeros"])
def test_lies_that_begin_with_the_last_call_are_noticed(lie, batch_size, n_jobs):
    lime = _lime(n_reference=8, batch_size=batch_size, n_jobs=n_jobs)
    honest = Service(None, np.inf)
    with parallel_config("threading"):
        lime.fit_transform([CallableQuery(honest, output="logits")])
        late = Service(LIES[lie], n_right=honest.n_calls - 1)
        with pytest.raises(QueryError, match="no longer answers"):
            lime.fit_transform([CallableQuery(late, output="logits")])


def test_a_model_asked_one_question_at_a_time_is_watched():
    lime = _lime(batch_size=1, n_reference=8)
    late = Service(LIES["scaled"], n_right=200)
    with pytest.raises(QueryError, match=r"no longer answers as it did .* a batch of 1 copies"):
        lime.fit_transform([CallableQuery(late, output="logits")])


@pytest.mark.parametrize("limit", [1, 2, 5, 9])
def test_questions_asked_again_respect_memory_that_runs_out(limit):
    def small(batch):
        if len(batch) > limit:
            raise MemoryError(f"{len(batch)} rows")
        return right(batch)

    S = _lime(n_reference=4).fit_transform([CallableQuery(small, output="logits")])
    whole = _lime(n_reference=4).fit_transform([CallableQuery(right, output="logits")])
    assert_allclose(S, whole, atol=1e-12)


@pytest.mark.parametrize("batch_size", ["auto", 64, 40, 7, 1])
def test_at_most_two_in_a_hundred_questions_are_asked_again(batch_size):
    honest = Service(None, np.inf)
    lime = _lime(batch_size=batch_size)
    S = lime.fit_transform([CallableQuery(honest, output="logits")])
    first_look = 2 * min(8, batch_size) if batch_size != "auto" else 16
    again = honest.n_rows - lime.plan_.n_queries - first_look
    assert 0 <= again <= 0.02 * lime.plan_.n_queries
    assert batch_size == "auto" or again > 0
    assert_allclose(S, _lime().fit_transform([CallableQuery(right, output="logits")]), atol=1e-12)


def test_models_that_need_not_repeat_are_asked_nothing_again():
    counted = Service(None, np.inf)
    lime = _lime(batch_size=64)
    lime.fit_transform([CallableQuery(counted, output="logits", deterministic=False)])
    assert counted.n_rows == lime.plan_.n_queries + 8  # the first look


def test_a_store_does_not_hide_a_model_that_changes(tmp_path):
    def queries(service):
        return [CallableQuery(service, output="logits", model_id="service")]

    lime = _lime(batch_size=64, cache=tmp_path / "answers.sqlite")
    lime.set_params(n_reference=10).fit_transform(queries(Service(None, np.inf)))
    with pytest.raises(QueryError, match="no longer answers"):
        lime.set_params(n_reference=48).fit_transform(queries(Service(LIES["scaled"], 10)))


def test_a_model_that_depends_on_the_batch_is_warned_of_and_goes_on():
    def drifting(batch):
        scores = right(batch)
        return scores - scores.mean(axis=0)

    with pytest.warns(UserWarning, match="when the rest of the batch changes"):
        _lime(batch_size=64).fit_transform([CallableQuery(drifting, output="logits")])


def test_rounding_that_depends_on_the_batch_is_no_lie():
    def rounded(batch):
        step = 1e-3 * np.ptp(right(batch))
        return np.round(right(batch) / step) * step

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _lime(batch_size=64).fit_transform([CallableQuery(rounded, output="logits")])


# --- one model and the next -----------------------------------------------------------------


def _in_place_through_torch(batch):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(batch).clamp_(min=0) @ torch.as_tensor(W)


def _in_place_through_the_flag(batch):
    batch.flags.writeable = True
    batch[batch > 0.5] = 0.5
    return batch @ W


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("writer", [_in_place_through_torch, _in_place_through_the_flag])
def test_a_model_that_changes_its_batch_is_named_and_spoils_no_other(writer):
    queries = [CallableQuery(f, output="logits") for f in (writer, right)]
    with pytest.warns(UserWarning, match=r"models\[0\] .* changed the batch of 8 copies"):
        both = _lime().fit_transform(queries)
    copying = CallableQuery(writer, output="logits", preprocess=np.copy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the remedy
        alone = _lime().fit_transform([copying])
    assert_array_equal(both[0], alone[0])
    assert_array_equal(both[1], _lime().fit_transform(queries[1:])[0])
    assert np.abs(both[0] - both[1]).max() > 0.01


def test_a_model_that_changes_earlier_batches_puts_no_blame_on_the_next():
    kept = []

    def late_writer(batch):
        for earlier in kept:
            earlier.flags.writeable = True
            earlier[...] = 0.0
        kept.append(batch)
        return right(batch)

    def scaled(batch):
        return 3 * right(batch)

    queries = [CallableQuery(f, output="logits") for f in (late_writer, scaled)]
    both = _lime(batch_size=16, n_reference=8).fit_transform(queries)
    assert len(kept) > 20
    assert_allclose(both[1], 3 * both[0], atol=1e-10)
    assert np.abs(both[0]).max() > 0.1


def test_tensors_that_are_changed_are_noticed():
    torch = pytest.importorskip("torch")
    from skzest import TorchQuery

    torch.manual_seed(0)
    plain = torch.nn.Linear(6, 4).double().eval()
    writer = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(6, 4)).double().eval()
    zoo = [TorchQuery(net, optimize=False) for net in (writer, plain)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = _lime().fit_transform(zoo)
    assert_array_equal(both[1], _lime().fit_transform(zoo[1:])[0])


@pytest.mark.parametrize("with_store", [False, True])
def test_labels_that_hang_on_rounding_are_no_change(with_store, tmp_path):
    def nearly_tied(batch, late=0):
        Z = np.zeros((len(batch), 3))
        tie = 0.004 * (-1) ** len(batch)  # either is the larger, by the size of the batch
        Z[:, 0] = np.where(batch[:, 1] > 0, 1.0, tie)
        Z[:, 2] = -1.0
        return np.roll(Z, late, axis=1)

    def changes(batch):
        return nearly_tied(batch, late=int(len(batch) > 16))

    cache = tmp_path / "answers.sqlite" if with_store else None
    for batch_size in (31, 32):
        lime = _lime(response="label", batch_size=batch_size, cache=cache)
        lime.fit_transform([CallableQuery(nearly_tied, output="logits", model_id="tied")])
    with pytest.raises(QueryError, match="no longer answers"):
        lime.fit_transform([CallableQuery(changes, output="logits", model_id="changes")])


# --- batches of one size ----------------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [32, 20, 28])
def test_a_model_that_takes_one_batch_size_gets_it(n_samples):
    sizes = set()

    def strict(batch):
        sizes.add(len(batch))
        if len(batch) != 8:
            raise RuntimeError(f"Got: {len(batch)} Expected: 8")
        return right(batch)

    lime = _lime(n_reference=5, n_samples=n_samples, batch_size=8)
    S = lime.fit_transform([CallableQuery(strict, output="logits")])
    assert 8 in sizes
    assert_allclose(S, lime.fit_transform([CallableQuery(right, output="logits")]), atol=1e-12)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes on errors came with Python 3.11")
@pytest.mark.parametrize("batch_size", ["auto", 64, 10])
def test_a_model_that_takes_one_batch_size_says_which_and_the_advice_works(batch_size):
    def strict(batch):
        if len(batch) != 16:
            raise RuntimeError(f"Got: {len(batch)} Expected: 16")
        return right(batch)

    query = CallableQuery(strict, output="logits")
    with pytest.raises(RuntimeError, match="Expected: 16") as said:
        _lime(batch_size=batch_size).fit_transform([query])
    (advised,) = re.findall(r"pass batch_size=(\d+)", " ".join(said.value.__notes__))
    S = _lime(batch_size=int(advised)).fit_transform([query])
    assert_allclose(S, _lime().fit_transform([CallableQuery(right, output="logits")]), atol=1e-12)


def test_an_error_that_has_nothing_to_do_with_the_size_is_reported_as_it_is():
    def broken(batch):
        raise RuntimeError(f"no answer to {len(batch)} rows")

    with pytest.raises(RuntimeError, match="no answer to 8 rows"):
        _lime(batch_size=64).fit_transform([CallableQuery(broken, output="logits")])


# --- the measure ------------------------------------------------------------------------------


def test_gap_by_hand():
    a = np.array([[0.0, 1.0], [2.0, 4.0]])
    gap = Gap.between(a, a + [[0.0, 0.0], [0.0, 0.02]], 1e-16)
    assert_allclose([gap.size, gap.range], [0.02, 4.0])
    assert gap.exceeds(0.004) and not gap.exceeds(0.006)
    assert not Gap.between(a, a, 1e-16).exceeds(0.0)
    assert Gap.between(a, a[:1], 1e-16).size == np.inf
    assert not Gap.between(a, a + 1e-15, 1e-16).exceeds(0.0), "rounding"
    assert not Gap.between(a, a + 0.003, 1e-3).exceeds(0.0), "rounding of half precision"


# --- short floats -----------------------------------------------------------------------------


def in_half_precision(scores):
    return np.asarray(scores).astype(np.float16)


class InFloat32(CallableQuery):
    """Computed in half precision, returned as float32, as networks under autocast do."""

    eps = float(np.finfo(np.float16).eps)

    def ask(self, batch, output):
        return super().ask(batch, output).astype(np.float32)


@pytest.mark.parametrize("kind", [CallableQuery, InFloat32])
def test_answers_that_differ_by_rounding_in_half_precision_are_one_answer(kind):
    def near_constant(batch):
        # Between 512 and 1024 numbers of half precision are 0.5 apart.
        return 600 + 0.3 * np.tanh(np.asarray(batch) @ W) + 0.5 * (len(batch) % 8 > 0)

    lime = partial(_lime, response="raw", batch_size=30)
    query = kind(lambda batch: in_half_precision(near_constant(batch)), output="logits")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", UndefinedSignatureWarning)
        assert not lime().fit_transform([query]).any()
    exact = CallableQuery(near_constant, output="logits")
    with pytest.warns(UserWarning, match="different answer to the same input"):
        assert lime().fit_transform([exact]).any()


def test_half_precision_moves_no_model_that_varies():
    query = CallableQuery(lambda batch: in_half_precision(right(batch)), output="logits")
    half, full = _lime().fit_transform([query, CallableQuery(right, output="logits")])
    assert 0 < 1 - half @ full / np.linalg.norm(half) / np.linalg.norm(full) < 1e-6
