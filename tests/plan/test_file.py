# SPDX-License-Identifier: BSD-3-Clause
"""Plan files: what is saved comes back, and whatever happens to a file, nothing is read wrongly."""

import json
import warnings

import numpy as np
import pytest
import strategies as sets
from hypothesis import given, settings
from numpy.testing import assert_array_equal
from sklearn.linear_model import Lasso, LinearRegression, Ridge

from skzest import (
    AudioMasker,
    CallableQuery,
    ImageMasker,
    LimeSignatureTransformer,
    QueryPlan,
    TextMasker,
)
from skzest.plan._encoding import decode, encode
from skzest.plan._file import encoded, sha256

RNG = np.random.default_rng(0)
SUM = CallableQuery(
    lambda X: np.array([[np.sum(x, dtype=float), np.ravel(x)[0]] for x in X]), output="logits"
)
LENGTH = CallableQuery(lambda X: np.array([[len(x), x.count("e")] for x in X]), output="logits")


def plan_of(kind):
    params = {"n_reference": 3, "n_samples": 64}
    if kind == "frame":
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame({"a": RNG.normal(size=5), "b": list("xyxyy"), "c": range(5)})
        ask = CallableQuery(lambda X: np.c_[X["a"], X["c"]], output="logits")
        return LimeSignatureTransformer(frame, **params).fit([ask]).plan_
    if kind == "text":
        texts = ["one two three", "four, five", "six seven eight"]
        return LimeSignatureTransformer(texts, masker=TextMasker(), **params).fit([LENGTH]).plan_
    reference, masker = {
        "image": (RNG.integers(0, 255, (5, 8, 8, 3), dtype=np.uint8), ImageMasker("grid")),
        "flat": (RNG.random((5, 64)), ImageMasker("grid", image_shape=(8, 8))),
        "sound": ([RNG.normal(size=n) for n in (50, 60, 70)], AudioMasker(8000)),
        "table": (RNG.normal(size=(9, 5)), "auto"),
    }[kind]
    lime = LimeSignatureTransformer(reference, masker=masker, surrogate=Ridge(), **params)
    return lime.fit([SUM]).plan_


KINDS = ["image", "flat", "sound", "table", "text", "frame"]


@pytest.fixture(scope="module", params=KINDS)
def plan(request):
    return plan_of(request.param)


def content(plan):
    """A plan as the header and the arrays of its file."""
    header, arrays = encoded(plan)
    return json.loads(header), arrays


def written(path, header, arrays):
    """A file with this content and the digest that fits it: the work of an attacker."""
    raw = json.dumps(header, sort_keys=True).encode()
    meta = {"format": 2, "digest": sha256(raw, arrays).hexdigest()}
    extra = {"header": raw, "meta": json.dumps(meta).encode()}
    extra = {name: np.frombuffer(text, dtype=np.uint8) for name, text in extra.items()}
    np.savez(path, **arrays, **extra)
    return path


# --- what is saved comes back ---------------------------------------------------------------


def test_a_plan_comes_back(plan, tmp_path):
    plan.save(tmp_path / "plan.npz")
    loaded = QueryPlan.load(tmp_path / "plan.npz")
    assert loaded.digest == plan.digest
    assert_array_equal(loaded.indices, plan.indices)
    assert loaded.masks == plan.masks
    assert (loaded.response, loaded.clip) == (plan.response, plan.clip)
    assert [loaded.part_names(n) for n in range(3)] == [plan.part_names(n) for n in range(3)]


def test_content_written_anew_is_the_same_plan(plan, tmp_path):
    path = written(tmp_path / "plan.npz", *content(plan))
    assert QueryPlan.load(path).digest == plan.digest


@settings(max_examples=60)
@given(sets.frames())
def test_frames_come_back(frame):
    loaded = decode(encode(frame, "x"), "x")
    assert loaded.dtypes.astype(str).tolist() == frame.dtypes.astype(str).tolist()
    assert {k: v.tobytes() for k, v in encode(loaded, "x").items()} == {
        k: v.tobytes() for k, v in encode(frame, "x").items()
    }
    for a, b in zip(loaded.itertuples(index=False), frame.itertuples(index=False), strict=True):
        assert repr(a) == repr(b)


@pytest.mark.parametrize(
    "dtype",
    [
        "string",
        "large_string",
        "int64",
        "uint8",
        "double",
        "bool",
        "timestamp[us]",
        "timestamp[ns, tz=UTC]",
        "duration[ms]",
        "date32[day]",
    ],
)
def test_columns_of_arrow_come_back(dtype):
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    numbers = pa.array([3, 1, None, 0], type=pa.int64())
    if "string" in dtype:
        column = pa.array(["x", None, "é", ""])
    elif dtype == "bool":
        column = pa.array([True, None, False, True])
    else:
        column = numbers.cast(pa.int32()) if "date" in dtype else numbers
    types = {"timestamp[ns, tz=UTC]": pa.timestamp("ns", "UTC")}
    column = column.cast(types.get(dtype) or pa.type_for_alias(dtype))
    frame = pd.DataFrame({"a": pd.Series(pd.arrays.ArrowExtensionArray(column))})
    loaded = decode(encode(frame, "x"), "x")
    assert loaded["a"].dtype == frame["a"].dtype
    pd.testing.assert_frame_equal(loaded, frame)
    assert encode(loaded, "x")["x.frame"].tobytes() == encode(frame, "x")["x.frame"].tobytes()


def test_versions_of_scikit_learn_do_not_change_a_digest():
    header, _ = content(plan_of("table"))
    assert header["surrogate"]["params"] == {"alpha": 1.0, "fit_intercept": True}
    plain = LimeSignatureTransformer(RNG.normal(size=(5, 3)), n_reference=2, n_samples=16)
    same = [plain.set_params(surrogate=s).fit([SUM]).plan_.digest for s in (
        LinearRegression(), LinearRegression(copy_X=False, n_jobs=2), None)]  # fmt: skip
    assert len(set(same)) == 1
    assert plain.set_params(surrogate=Lasso(alpha=0.1)).fit([SUM]).plan_.digest != same[0]


# --- fields that do not fit each other -----------------------------------------------------


def changed(name, change):
    return lambda header, arrays: arrays.update({name: change(arrays[name])})


def in_header(**items):
    return lambda header, arrays: header.update(items)


EDITS = {
    "indices cut": (changed("indices", lambda a: a[:2]), "indices: .*3 reference points"),
    "indices negative": (changed("indices", lambda a: a - 9), "indices: -.* is less than 0"),
    "indices twice": (changed("indices", lambda a: 0 * a), "indices: a point appears twice"),
    "indices as floats": (changed("indices", lambda a: a / 2), "indices: <f8"),
    "indices away": (lambda h, a: a.pop("indices"), "indices: KeyError"),
    "n_parts cut": (changed("n_parts", lambda a: a[:2]), "n_parts: "),
    "n_parts more": (changed("n_parts", lambda a: a + 1), "parts of point 0: labels"),
    "n_parts huge": (changed("n_parts", lambda a: a + 2**62), "parts of point 0: |n_parts"),
    "n_masks cut": (changed("n_masks", lambda a: a[1:]), "n_masks: "),
    "n_masks zero": (changed("n_masks", lambda a: 0 * a), "n_masks: 0 is less than 1"),
    "n_masks more": (changed("n_masks", lambda a: a + 1), "masks: .* as shape beside n_masks"),
    "n_masks huge": (changed("n_masks", lambda a: a + 2**61), "masks: "),
    "masks cut": (changed("masks", lambda a: a[:-1]), "masks: "),
    "masks as words": (changed("masks", lambda a: a.astype("<u2")), "masks: <u2"),
    "masks all alike": (changed("masks", lambda a: a | 255), "masks: .*no two different ones"),
    "fill away": (lambda h, a: [a.pop(k) for k in list(a) if "fill.1." in k], "fill of point 1"),
    "field more": (lambda h, a: a.update(extra=np.zeros(3)), "extra is unknown"),
    "masker": (in_header(masker="numeric_points"), "masker: .*not one of skzest's own"),
    "masker of a module": (in_header(masker="_image"), "masker: "),
    "masker of a number": (in_header(masker=7), "masker: "),
    "layout": (in_header(layout={"fill": 1, "no": 2}), "masker: "),
    "layout of a list": (in_header(layout=[1]), "masker: "),
    "response": (in_header(response="labels"), "response: "),
    "response of a list": (in_header(response=["logit"]), "response: "),
    "clip": (in_header(clip=-1), "response: "),
    "clip of text": (in_header(clip="a"), "response: "),
    "kernel_width": (in_header(kernel_width=-0.5), "kernel_width: "),
    "kernel_width too narrow": (in_header(kernel_width=1e-9), "masks: .*Raise kernel_width"),
    "surrogate": (in_header(surrogate="other"), "surrogate: "),
    "surrogate of numbers": (in_header(surrogate=5), "surrogate: "),
    "surrogate's module": (
        in_header(surrogate={"module": "os", "class": "system", "params": {}}),
        "surrogate: .*not one of sklearn.linear_model",
    ),
    "surrogate's class": (
        in_header(surrogate={"module": "sklearn.linear_model.x", "class": "np", "params": {}}),
        "surrogate: ",
    ),
    "surrogate's alpha": (
        in_header(
            surrogate={
                "module": "sklearn.linear_model._ridge",
                "class": "Ridge",
                "params": {"alpha": "x", "fit_intercept": True},
            }
        ),
        "surrogate: ",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_fields_that_do_not_fit_are_named_with_the_file(plan, edit, tmp_path):
    header, arrays = content(plan)
    change, match = EDITS[edit]
    change(header, arrays)
    path = written(tmp_path / "plan.npz", header, arrays)
    with pytest.raises(ValueError, match=rf"plan\.npz' is damaged: ({match})"):
        QueryPlan.load(path)


def test_points_parts_and_fills_are_checked_against_each_other(tmp_path):
    header, arrays = content(plan_of("image"))
    cases = {
        "parts of point 1: labels": {"parts.1.array": arrays["parts.1.array"] + 1},
        "parts of point 1: .*<i8": {"parts.1.array": arrays["parts.1.array"].astype("<i8")},
        "fill of point 1: .*do not fit": {"parts.1.array": arrays["parts.1.array"].ravel()},
        "fill of point 1: .*kind of fill": {"fill.1.array": arrays["fill.1.array"][:4]},
        "fill of point 2: .*kind of fill": {"fill.2.array": arrays["fill.2.array"].astype("<f8")},
        "indices: .*2 reference points": {"reference.array": arrays["reference.array"][:2]},
        "reference: .*complex": {"reference.array": arrays["reference.array"] * 1j},
        "parts: ": {"parts.ragged": np.array(2)},
    }
    for match, change in cases.items():
        path = written(tmp_path / "plan.npz", header, arrays | change)
        with pytest.raises(ValueError, match=f"is damaged: {match}"):
            QueryPlan.load(path)


def test_other_formats_are_refused(tmp_path):
    header, arrays = content(plan_of("table"))
    path = written(tmp_path / "plan.npz", header, arrays)
    with np.load(path) as file:
        stored = dict(file)
    for version in (1, 3, "two", None):
        meta = json.dumps({"format": version, "digest": ""}).encode()
        np.savez(path, **(stored | {"meta": np.frombuffer(meta, dtype=np.uint8)}))
        with pytest.raises(ValueError, match=rf"has format {version!r}; this version of skzest re"):
            QueryPlan.load(path)
    for digest in ([5], {"a": 1}, None):
        meta = json.dumps({"format": 2, "digest": digest}).encode()
        np.savez(path, **(stored | {"meta": np.frombuffer(meta, dtype=np.uint8)}))
        with pytest.raises(ValueError, match="is damaged: its contents have digest"):
            QueryPlan.load(path)


# --- damage at random -------------------------------------------------------------------------


def damaged_bytes(raw, rng):
    """A file with bytes flipped, cut, repeated or overwritten."""
    raw = bytearray(raw)
    at = int(rng.integers(len(raw)))
    kind = rng.integers(4)
    if kind == 0:
        for i in rng.integers(len(raw), size=rng.integers(1, 9)):
            raw[i] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del raw[at:]
    elif kind == 2:
        raw[at:at] = raw[: int(rng.integers(1, 99))]
    else:
        n = int(rng.integers(1, 40))
        raw[at : at + n] = rng.bytes(n)
    return bytes(raw)


def damaged_array(array, rng):
    """An array with another length, dtype, shape or content."""
    kind = rng.integers(6)
    if kind == 0 and array.ndim:
        return array[: int(rng.integers(array.shape[0] + 1))]
    if kind == 1:
        return array.astype(rng.choice(["<f4", "<i8", "|u1", "<U3", "<c8", "|b1", "<M8[s]"]))
    if kind == 2:
        return array.reshape(-1)[..., None]
    if kind == 3 and array.size:
        changed = array.copy().reshape(-1)
        changed[rng.integers(changed.size)] = rng.integers(0, 120)
        return changed.reshape(array.shape)
    return np.zeros((0, 3)) if kind == 4 else np.concatenate([array.reshape(-1)] * 2)


def damaged_value(value, rng):
    """A value of JSON with something in it replaced."""
    junk = [None, -1, 1e308, "", "x" * 9, [], {}, [[]], True, float("nan"), 2**70]
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = str(rng.choice(list(value)))
        return value | {key: damaged_value(value[key], rng)}
    return junk[int(rng.integers(len(junk)))]


def loaded_or_refused(path):
    try:
        return QueryPlan.load(path), None
    except Exception as error:
        return None, error


def test_three_hundred_damaged_files_give_the_plan_or_a_clear_error(tmp_path):
    plans = [plan_of(kind) for kind in KINDS]
    outcomes = {"same": 0, "refused": 0}
    for seed in range(300):
        rng, plan = np.random.default_rng(seed), plans[seed % len(plans)]
        path = tmp_path / "plan.npz"
        if seed % 3 == 0:
            plan.save(path)
            path.write_bytes(damaged_bytes(path.read_bytes(), rng))
        else:
            header, arrays = content(plan)
            if seed % 3 == 1:
                name = str(rng.choice(list(arrays)))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    arrays[name] = damaged_array(arrays[name], rng)
            else:
                header = damaged_value(header, rng)
            written(path, header, arrays)
        loaded, refusal = loaded_or_refused(path)
        outcomes["refused"] += loaded is None
        if loaded is None:
            assert type(refusal) is ValueError, seed
            assert "plan.npz" in str(refusal), seed
        else:
            # The same plan, or another that is whole in itself: it can be asked.
            copies = [
                loaded.masker.render(loaded.point(n), p.astype(int), fill, masks)
                for n, (p, fill, masks) in enumerate(zip(loaded.parts, loaded.fills, loaded.masks))
            ]
            assert list(map(len, copies)) == list(loaded.masks.n_masks), seed
            outcomes["same"] += loaded.digest == plan.digest
    assert outcomes["refused"] > 200
    assert outcomes["same"] > 5


@pytest.mark.parametrize("content", [b"", b"notes of mine\n", b"\x80\x04K\x01.", b"PK\x03\x04"])
def test_files_of_other_kinds_are_told_without_advice_to_trust_them(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a plan of skzest: it is not an archive") as error:
        QueryPlan.load(path)
    assert "pickle" not in str(error.value)
