# SPDX-License-Identifier: BSD-3-Clause
"""What is accepted as a reference, what is refused, and whether the advice of a refusal works."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skzest import (
    AudioMasker,
    CallableQuery,
    ImageMasker,
    LimeSignatureTransformer,
    TabularMasker,
    TextMasker,
)
from skzest.maskers import masker_for, numeric_points

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
FLAT = CallableQuery(
    lambda X: np.stack([np.asarray(x, dtype=float).ravel()[:3] for x in X]), output="logits"
)


def advised(error, reference):
    """What the message says to give in place of the reference."""
    code = re.search(r"(?:alone: |such as |dataset: )(.*)\.$", str(error.value))[1]
    return eval(code, {"np": np, "reference": reference})


# --- datasets -----------------------------------------------------------------------------


class Dataset:
    """A dataset in the form of torch's: items by number, and a length."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


PAIRS = [(image, k % 3) for k, image in enumerate(IMAGES)]
DATASETS = {
    "list of pairs": PAIRS,
    "dataset of pairs": Dataset(PAIRS),
    "lists": Dataset([list(pair) for pair in PAIRS]),
    "points alone": Dataset([(image,) for image in IMAGES]),
    "with a box": Dataset([(image, 1, np.zeros(4)) for image in IMAGES]),
}


@pytest.mark.parametrize("masker", ["auto", ImageMasker("grid")], ids=["auto", "given"])
@pytest.mark.parametrize("kind", DATASETS)
def test_datasets_are_refused_and_the_advice_works(kind, masker):
    lime = LimeSignatureTransformer(DATASETS[kind], masker=masker, n_samples=200)
    with pytest.raises(TypeError, match="reference is a dataset of points with labels") as error:
        lime.fit([FLAT])
    points = advised(error, DATASETS[kind])
    assert_array_equal(points, IMAGES)
    lime.set_params(reference=points, masker=ImageMasker("grid")).fit([FLAT])


@pytest.mark.parametrize("masker", [TextMasker(), AudioMasker(8000), TabularMasker()])
def test_other_maskers_refuse_datasets_too(masker):
    is_text = isinstance(masker, TextMasker)
    points = ["to be", "or not"] if is_text else [np.arange(9.0), np.arange(9.0) ** 2]
    pairs = [(point, 0) for point in points]
    with pytest.raises(TypeError, match="dataset of points with labels") as error:
        masker.fit(pairs)
    masker.fit(advised(error, pairs))
    with pytest.raises(TypeError, match="dataset of points with labels"):
        masker_for(pairs)


def test_rows_with_keys_are_refused_and_the_advice_works():
    rows = Dataset([{"image": image, "label": 0} for image in IMAGES])
    with pytest.raises(TypeError, match=r"dataset whose items have the keys \['image'") as error:
        masker_for(rows)
    assert_array_equal(advised(error, list(rows.items)), IMAGES)


def test_datasets_and_loaders_of_torch():
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    dataset = TensorDataset(torch.rand(20, 3, 8, 8), torch.arange(20))
    for reference in (dataset, DataLoader(dataset, batch_size=4)):
        with pytest.raises(TypeError, match=r"dataset|DataLoader") as error:
            masker_for(reference)
        assert_array_equal(advised(error, reference), dataset.tensors[0])


@pytest.mark.parametrize(
    "reference",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        [(1.0, 2.0), (3.0, 4.0)],
        IMAGES.tolist(),
        tuple(map(tuple, IMAGES[..., 0].tolist())),
        [IMAGES[0], IMAGES[1]],
    ],
    ids=["lists", "tuples", "nested lists", "nested tuples", "list of arrays"],
)
def test_nested_sequences_of_points_are_not_datasets(reference):
    masker = masker_for(reference).fit(reference)
    assert_array_equal(masker.check_reference(reference), np.array(reference))


# --- one image ----------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "axis"), [(3, "auto"), (4, "auto"), (3, -1)])
def test_one_image_is_refused_and_the_advice_works(side, axis):
    image = RNG.random((9, 8, side))
    masker = ImageMasker("grid", fill="zero", channel_axis=axis)
    with pytest.raises(ValueError, match=r"looks like a single image .*give image\[None\]"):
        masker.fit(image)
    assert masker.fit(image[None]).image_shape_ == (9, 8, side)
    narrow = ImageMasker("grid", channel_axis=None).fit(image)
    assert narrow.image_shape_ == (8, side)


def test_one_picture_of_another_package_is_refused_and_the_advice_works():
    image = pytest.importorskip("PIL.Image").fromarray(IMAGES[0])
    with pytest.raises(ValueError, match=r"single image .*give \[image\]"):
        ImageMasker().fit(image)
    assert ImageMasker().fit([image]).image_shape_ == (8, 8, 3)


@pytest.mark.parametrize(
    "reference",
    [None, 3, {"a": 1}, {1, 2}, iter([1, 2])],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_a_container_of_points_is_refused(reference):
    with pytest.raises(TypeError, match=f"reference is a {type(reference).__name__}; give an"):
        masker_for(reference)


def test_one_grey_image_is_told_from_a_table():
    image = RNG.random((9, 8))
    with pytest.raises(ValueError, match=r"a single grey image, give image\[None\]"):
        ImageMasker().fit(image)
    assert ImageMasker().fit(image[None]).image_shape_ == (9, 8)


# --- tensors ------------------------------------------------------------------------------


@pytest.mark.parametrize("masker", [ImageMasker("grid"), TabularMasker(), AudioMasker(8000)])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "uint8"])
def test_tensors_are_references(masker, dtype):
    torch = pytest.importorskip("torch")
    shape = (3, 8, 8) if isinstance(masker, ImageMasker) else (3, 8)
    tensor = (100 * torch.rand(shape, generator=torch.manual_seed(0))).to(getattr(torch, dtype))
    expected = tensor.float().numpy()
    assert len(np.unique(expected)) > 10
    for reference in (tensor, list(tensor)):
        points = masker.fit(reference).check_reference(reference)
        assert points.dtype == ("float32" if dtype == "bfloat16" else dtype)
        assert_array_equal(points, expected.astype(points.dtype))


def test_tensors_with_gradients_are_references():
    torch = pytest.importorskip("torch")
    tensor = torch.rand(3, 8, 8, requires_grad=True)
    assert_array_equal(numeric_points(tensor, "test"), tensor.detach())
    assert isinstance(masker_for(list(torch.rand(3, 8, 8).bfloat16())), ImageMasker)


# --- what cannot be hidden, or saved --------------------------------------------------------


def lime_of(reference, **params):
    params = {"n_reference": 1, "n_samples": 64} | params
    return LimeSignatureTransformer(reference, **params)


@pytest.mark.parametrize(
    ("reference", "masker", "remedy"),
    [
        (RNG.normal(size=(1, 4)), TabularMasker(), TabularMasker(fill="zero")),
        (np.zeros((1, 9)), AudioMasker(8000), AudioMasker(8000, fill=1.0)),
        (IMAGES[:1], ImageMasker("grid", fill=IMAGES[0]), ImageMasker("grid")),
        (np.ones((1, 8, 8)), ImageMasker("grid"), ImageMasker("grid", fill="zero")),
    ],
    ids=["table", "sound", "given", "image"],
)
def test_a_point_that_equals_its_fill_is_refused(reference, masker, remedy):
    with pytest.raises(ValueError, match=r"point 0 equals the fill .*Give another fill"):
        lime_of(reference, masker=masker).fit([FLAT])
    lime_of(reference, masker=remedy).fit([FLAT])


def test_a_frame_of_one_row_equals_its_fill():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.5], "b": ["x"], "c": [None]})
    ask = CallableQuery(lambda X: np.c_[X["a"], X["a"]], output="logits")
    with pytest.raises(ValueError, match="equals the fill in every part"):
        lime_of(frame).fit([ask])


def test_some_points_that_equal_their_fill_come_with_a_warning():
    table = np.array([[0.0, 0.0], [-1.0, 2.0], [1.0, -2.0]])
    with pytest.warns(UserWarning, match="point 0 equals the fill in every part"):
        lime = lime_of(table, n_reference=3).fit([CallableQuery(np.tanh, output="logits")])
    W = lime.transform([CallableQuery(np.tanh, output="logits")]).reshape(2, -1)
    point = list(lime.plan_.indices).index(0)
    of_point = lime.plan_.column_point == point
    assert np.abs(W[:, of_point]).max() == 0 < np.abs(W[:, ~of_point]).min(axis=1).max()


def frame_with(column):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({"a": RNG.normal(size=30), "b": np.arange(30.0)}).assign(c=column)


def asked_of(frame):
    asked = []

    def scores(batch):
        asked.append(len(batch))
        return np.c_[batch["a"], batch["b"]]

    ask = CallableQuery(scores, output="logits")
    return asked, lime_of(frame, n_reference=8), ask


def unsaveable():
    pd = pytest.importorskip("pandas")
    from decimal import Decimal
    from fractions import Fraction

    return {
        "intervals": pd.cut(np.arange(30.0), 4),
        "interval dtype": pd.IntervalIndex.from_breaks(np.arange(31.0)),
        "periods": pd.period_range("2020-01", periods=30, freq="M"),
        "decimals": [Decimal(i) for i in range(30)],
        "fractions": [Fraction(i, 7) for i in range(30)],
        "bytes": [b"x", b"yz"] * 15,
    }


@pytest.mark.parametrize(
    "kind", ["intervals", "interval dtype", "periods", "decimals", "fractions", "bytes"]
)
def test_columns_that_cannot_be_saved_are_refused_before_any_question(kind):
    frame = frame_with(unsaveable()[kind])
    asked, lime, ask = asked_of(frame)
    with pytest.raises(TypeError, match=r"column 'c' of dtype .* cannot be saved .* holds a") as e:
        lime.fit([ask])
    assert not asked
    advice = re.search(r"such as by (frame\.astype.*)\.$", str(e.value))[1]
    lime.set_params(reference=eval(advice, {"frame": frame, "str": str})).fit([ask])


def test_durations_and_dates_are_saved(tmp_path):
    pd = pytest.importorskip("pandas")
    from skzest import QueryPlan

    hours = pd.to_timedelta(np.arange(30), unit="h")
    for column in (hours, hours.astype("timedelta64[s]"), pd.Timestamp("2020-01-01") + hours):
        _, lime, ask = asked_of(frame_with(column))
        plan = lime.fit([ask]).plan_
        plan.save(tmp_path / "plan.npz")
        loaded = QueryPlan.load(tmp_path / "plan.npz")
        assert loaded.digest == plan.digest
        assert loaded.reference["c"].tolist() == plan.reference["c"].tolist()
        assert loaded.reference["c"].dtype == plan.reference["c"].dtype
