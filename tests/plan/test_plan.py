# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import Lasso, LinearRegression, Ridge

from skzest import ImageMasker, LimeSignatureTransformer, QueryPlan, TabularMasker
from skzest.plan import PackedMasks
from skzest.queries import CallableQuery

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (12, 8, 8), dtype=np.uint8)
TABLE = RNG.normal(size=(20, 5))


def _mean_and_max(X):
    if not isinstance(X, np.ndarray):
        X = X.select_dtypes("number").fillna(0).to_numpy(dtype=float)
    flat = np.asarray(X, dtype=float).reshape(len(X), -1)
    return 4 * np.column_stack([flat.mean(axis=1), flat.max(axis=1), flat[:, 0]])


MODEL = CallableQuery(_mean_and_max, output="logits")
GRID = ImageMasker("grid")


def _fit(reference=IMAGES, **params):
    params = {"n_reference": 5, "n_samples": 40, "masker": GRID} | params
    return LimeSignatureTransformer(reference, **params).fit([MODEL])


def _frame():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(
        {
            "number": [1.5, np.nan, 3.25, 4.0],
            "whole": [1, 2, 3, 4],
            "word": ["a", "b", "b", "é"],
            "kind": pd.Categorical(["x", "y", "x", "x"], categories=["y", "x"]),
            "flag": [True, False, True, True],
            "when": pd.to_datetime(["2020-01-01", "2021-06-01", "2022-01-01", "2020-01-01"]),
            "maybe": pd.array([1, None, 3, 3], dtype="Int64"),
        }
    )


def test_packed_masks_come_back():
    masks = [RNG.random((7, k)) < 0.5 for k in (2, 8, 9, 31)]
    packed = PackedMasks.pack(masks)
    assert len(packed) == 4
    assert packed.n_masks == (7, 7, 7, 7)
    for one, same, indexed in zip(masks, packed, range(4), strict=True):
        assert same.dtype == bool
        assert_array_equal(one, same)
        assert_array_equal(one, packed[indexed])
    assert packed[1:3] == PackedMasks.pack(masks[1:3])
    assert packed != PackedMasks.pack([~m for m in masks])


def test_plan_tells_which_point_and_part_a_column_is():
    plan = _fit().plan_
    assert plan.n_components == plan.n_parts.sum() == 5 * 16
    assert plan.n_queries == 5 * 40
    assert_array_equal(plan.column_point, np.repeat(np.arange(5), 16))
    assert_array_equal(plan.column_part, np.tile(np.arange(16), 5))
    for parts, masks, k in zip(plan.parts, plan.masks, plan.n_parts, strict=True):
        assert_array_equal(np.unique(parts), np.arange(k))
        assert masks.shape == (40, k)
        assert masks[0].all()


def test_plan_does_not_change():
    with pytest.raises(AttributeError):
        _fit().plan_.clip = 0.5


@pytest.mark.parametrize("small", [1, 3, 7])
def test_smaller_reference_sets_are_parts_of_larger_ones(small):
    few, many = _fit(n_reference=small).plan_, _fit(n_reference=8).plan_
    assert_array_equal(few.indices, many.indices[:small])
    assert few.masks == many.masks[:small]
    for a, b in zip(few.parts + few.fills, many.parts[:small] + many.fills[:small], strict=True):
        assert_array_equal(a, b)
    assert few.digest == many.take(small).digest != many.digest


def test_masks_depend_on_seed_and_index_alone():
    plan, other = _fit().plan_, _fit(random_state=1).plan_
    assert plan.digest == _fit().plan_.digest
    assert plan.digest != other.digest
    shared = set(plan.indices) & set(other.indices)
    assert shared, "the two draws must share a point"


@pytest.mark.parametrize(
    "changed",
    [
        {"response": "raw"},
        {"clip": 1e-3},
        {"surrogate": Ridge()},
        {"surrogate": "passthrough"},
        {"kernel_width": 0.25},
        {"n_samples": 41},
        {"sampling": "antithetic"},
        {"n_reference": 4},
        {"masker": ImageMasker("grid", fill="zero")},
        {"masker": ImageMasker("grid", segmenter_params={"shape": (2, 2)})},
        {"reference": IMAGES // 2},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_digest_changes_with_everything_that_is_asked(changed):
    assert _fit().plan_.digest != _fit(**changed).plan_.digest


def test_digest_does_not_depend_on_what_changes_no_answer():
    digest = _fit().plan_.digest
    assert digest == _fit(IMAGES.copy(), n_jobs=2, batch_size=7, verbose=0).plan_.digest
    assert digest == _fit(surrogate=LinearRegression(copy_X=False)).plan_.digest
    raw = {"response": "raw"}
    assert _fit(**raw).plan_.digest == _fit(clip=1e-3, **raw).plan_.digest


@pytest.mark.parametrize(
    "make",
    [
        _fit,
        lambda: _fit(IMAGES.reshape(12, 64) / 255, masker=ImageMasker("grid", image_shape=(8, 8))),
        lambda: _fit(np.stack([IMAGES] * 3, axis=1), masker=ImageMasker("grid", channel_axis=0)),
        lambda: _fit(TABLE.astype(np.float32), masker="auto", surrogate=Ridge(alpha=2.0)),
        lambda: _fit(TABLE, masker="auto", surrogate="passthrough", response="raw"),
        lambda: _fit(TABLE, masker="auto", surrogate=Lasso(alpha=0.1), kernel_width=0.5),
        lambda: _fit(TABLE, masker=TabularMasker(groups=[[0, 1], [3]]), sampling="foldover"),
        lambda: _fit(_frame(), masker="auto", n_reference=4),
    ],
)
def test_saved_plan_asks_the_same_questions(make, tmp_path):
    lime = make()
    path = tmp_path / "questions.plan"
    lime.plan_.save(path)
    plan = QueryPlan.load(path)
    assert plan.digest == lime.plan_.digest
    assert repr(plan) == repr(lime.plan_)
    assert_array_equal(plan.indices, lime.plan_.indices)
    theirs = LimeSignatureTransformer.from_plan(plan, n_classes=3)
    signature = theirs.fit_transform([MODEL])
    assert np.abs(signature).max() > 0
    assert_array_equal(signature, lime.transform([MODEL]))
    assert_array_equal(theirs.get_feature_names_out(), lime.get_feature_names_out())


def test_saved_frame_keeps_its_dtypes(tmp_path):
    frame = _frame()
    plan = _fit(frame, masker="auto", n_reference=4).plan_
    plan.save(tmp_path / "plan.npz")
    loaded = QueryPlan.load(tmp_path / "plan.npz").reference
    assert loaded.dtypes.tolist() == frame.dtypes.tolist()
    for n, index in enumerate(plan.indices):
        for a, b in zip(loaded.iloc[n], frame.iloc[index], strict=True):
            assert repr(a) == repr(b)


def test_prefix_of_a_plan_is_asked_for_by_n_reference():
    plan = _fit().plan_
    few = LimeSignatureTransformer.from_plan(plan, n_reference=2).fit([MODEL])
    assert few.plan_.digest == plan.take(2).digest
    with pytest.raises(ValueError, match="n_reference=6, but reference has only 5 points"):
        LimeSignatureTransformer.from_plan(plan, n_reference=6).fit([MODEL])


def test_from_plan_refuses_what_the_plan_settles():
    plan = _fit().plan_
    with pytest.raises(TypeError, match="masker and n_samples cannot be given"):
        LimeSignatureTransformer.from_plan(plan, n_samples=3, masker=GRID)
    with pytest.raises(TypeError, match="plan must be a QueryPlan; got ndarray"):
        LimeSignatureTransformer.from_plan(IMAGES)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "plan.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"is not a plan of skzest"):
        QueryPlan.load(path)
    np.savez(path, a=np.arange(3))
    with pytest.raises(ValueError, match=r"is not a plan of skzest"):
        QueryPlan.load(path)
    plan = _fit().plan_
    plan.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["masks"] = ~arrays["masks"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="is damaged: its contents have digest"):
        QueryPlan.load(path)
    with pytest.raises(FileNotFoundError):
        QueryPlan.load(tmp_path / "nowhere.npz")


class _OwnMasker(TabularMasker):
    pass


def test_plan_of_a_foreign_masker_needs_it_again(tmp_path):
    plan = _fit(TABLE, masker=_OwnMasker()).plan_
    plan.save(tmp_path / "plan.npz")
    with pytest.raises(ValueError, match=r"_OwnMasker, which is not one of skzest's own; pass"):
        QueryPlan.load(tmp_path / "plan.npz")
    with pytest.raises(ValueError, match="masker is TabularMasker"):
        QueryPlan.load(tmp_path / "plan.npz", masker=TabularMasker())
    assert QueryPlan.load(tmp_path / "plan.npz", masker=_OwnMasker()).digest == plan.digest
