# SPDX-License-Identifier: BSD-3-Clause
"""What holds for every reference, whatever its dtype, layout and parts."""

import numpy as np
import pytest
import strategies as sets
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skzest.maskers import ImageMasker, TabularMasker
from skzest.testing import check_masker


def examples(n):
    """So many examples, or fewer where the profile in conftest.py asks for fewer."""
    return settings(max_examples=min(n, 10 * settings().max_examples))


def rendered_one_by_one(case, point, parts, fill, masks):
    """Masked copies, pixel after pixel."""
    copies = np.array([point] * len(masks), dtype=point.dtype).reshape(-1, *point.shape)
    for copy, mask in zip(copies, masks, strict=True):
        seen, hidden = case.pixels(copy), case.pixels(fill)
        for (i, j), part in np.ndenumerate(parts):
            if not mask[part]:
                seen[i, j] = hidden[i, j]
    return copies


# ---------------------------------------------------------------- images


@examples(300)
@given(sets.images(), sets.grids, sets.image_fills)
def test_image_masker_conforms(case, cut, fill):
    check_masker(ImageMasker(fill=fill, **cut, **case.params), case.reference, n_points=2)


@examples(150)
@given(st.data())
def test_image_copies_are_those_made_pixel_by_pixel(data):
    native = [dtype for dtype in sets.DTYPES_OF_IMAGES if ">" not in dtype]
    case, cut = data.draw(sets.images(native)), data.draw(sets.grids)
    masker = ImageMasker(fill=data.draw(sets.image_fills), **cut, **case.params)
    point = case.reference[0]
    parts = masker.fit(case.reference).cut(point)
    fill = masker.fill_for(point, parts)
    masks = data.draw(sets.masks(parts.max() + 1))
    copies = masker.render(point, parts, fill, masks)
    assert copies.dtype == case.reference.dtype
    assert_array_equal(copies, rendered_one_by_one(case, point, parts, fill, masks))


@examples(100)
@given(st.data())
def test_layouts_show_the_same_image(data):
    case = data.draw(sets.images(layouts=["last"]))
    cut, fill = data.draw(sets.grids), data.draw(st.sampled_from(["mean", "zero", "part_mean"]))
    one = ImageMasker(fill=fill, **cut, **case.params).fit(case.reference)
    parts = one.cut(case.reference[0])
    masks = data.draw(sets.masks(parts.max() + 1))
    hidden = one.fill_for(case.reference[0], parts)
    copies = one.render(case.reference[0], parts, hidden, masks)
    for layout in ("first", "flat last", "flat first"):
        other_case = sets.arranged(case.reference, layout)
        other = ImageMasker(fill=fill, **cut, **other_case.params).fit(other_case.reference)
        point = other_case.reference[0]
        assert_array_equal(other.cut(point), parts)
        filled = other.fill_for(point, parts)
        assert_array_equal(other_case.pixels(filled), hidden)
        for copy, told in zip(other.render(point, parts, filled, masks), copies, strict=True):
            assert_array_equal(other_case.pixels(copy), told)


@examples(200)
@given(sets.images(dtypes=["uint8", "int8", "uint16", "int32", "bool"]), sets.grids)
def test_fill_of_integers_is_the_rounded_mean(case, cut):
    exact = [case.pixels(image) for image in case.reference.astype(float)]
    mean = np.mean(exact, axis=(0, 1, 2))
    point = case.reference[0]
    for fill in ("mean", "part_mean"):
        masker = ImageMasker(fill=fill, **cut, **case.params).fit(case.reference)
        parts = masker.cut(point)
        hidden = case.pixels(masker.fill_for(point, parts)).astype(float)
        for part in range(parts.max() + 1):
            colour = mean if fill == "mean" else exact[0][parts == part].mean(axis=0)
            assert np.all(np.abs(hidden[parts == part] - colour) <= 0.5 + 1e-9)


@examples(150)
@given(sets.images(dtypes=["uint8", "float32", "float64"]), sets.grids, st.randoms())
def test_points_do_not_depend_on_the_order_of_the_reference(case, cut, random):
    masker = ImageMasker(fill="mean", **cut, **case.params)
    order = list(range(len(case.reference)))
    random.shuffle(order)
    fills = []
    for reference in (case.reference, case.reference[order]):
        masker.fit(reference)
        parts = masker.cut(case.reference[0])
        fills.append(masker.fill_for(case.reference[0], parts))
    # Sums of floats, and what they are rounded to, depend on the order a little.
    assert_allclose(*fills, rtol=1e-5, atol=1 if case.reference.dtype == np.uint8 else 1e-4)


@examples(40)
@given(
    sets.images(dtypes=["uint8", "float32"], max_side=12),
    st.sampled_from(["quickshift", "slic", "watershed"]),
    sets.image_fills,
)
def test_image_masker_conforms_with_super_pixels(case, segmenter, fill):
    masker = ImageMasker(segmenter, fill=fill, **case.params)
    check_masker(masker, case.reference, n_points=1)


@examples(25)
@given(sets.images(dtypes=["float64"], layouts=["last", "grey"]), st.integers(-3, 3))
def test_parts_do_not_depend_on_the_unit_of_the_values(case, exponent):
    # Powers of two, which change no digit: super-pixels are of the image, not of its unit.
    masker = ImageMasker(**case.params)
    scaled = case.reference * 2.0**exponent
    assert_array_equal(
        masker.fit(case.reference).cut(case.reference[0]), masker.fit(scaled).cut(scaled[0])
    )


# ---------------------------------------------------------------- tables


@examples(300)
@given(st.data())
def test_tabular_masker_conforms_on_arrays(data):
    table = data.draw(sets.tables())
    masker = TabularMasker(
        groups=data.draw(sets.groups(table.shape[1])), fill=data.draw(sets.table_fills)
    )
    check_masker(masker, table, n_points=2)


@examples(60)
@given(st.data())
def test_tabular_masker_conforms_on_frames(data):
    pytest.importorskip("pandas")
    frame = data.draw(sets.frames())
    fills = ["mean", "median", "mode", "zero", lambda point, parts: point]
    masker = TabularMasker(
        groups=data.draw(sets.groups(frame.shape[1])), fill=data.draw(st.sampled_from(fills))
    )
    check_masker(masker, frame, n_points=1)


@examples(60)
@given(st.data())
def test_copies_of_a_frame_have_its_columns_and_dtypes(data):
    pytest.importorskip("pandas")
    frame = data.draw(sets.frames())
    masker = TabularMasker(groups=data.draw(sets.groups(frame.shape[1]))).fit(frame)
    point = masker.point(frame, 0)
    parts = masker.cut(point)
    masks = data.draw(sets.masks(parts.max() + 1))
    copies = masker.render(point, parts, masker.fill_for(point, parts), masks)
    assert copies.shape == (len(masks), frame.shape[1])
    assert copies.columns.equals(frame.columns)
    assert copies.dtypes.equals(frame.dtypes)


@examples(80)
@given(sets.tables(dtypes=["float32", "float64", "int64", "uint8"]), st.data())
def test_frames_of_numbers_are_masked_as_arrays_are(table, data):
    pd = pytest.importorskip("pandas")
    params = {
        "groups": data.draw(sets.groups(table.shape[1])),
        "fill": data.draw(st.sampled_from(["mean", "median", "mode", "zero"])),
    }
    frame = pd.DataFrame(table).add_prefix("x")
    array_masker, frame_masker = (TabularMasker(**params).fit(X) for X in (table, frame))
    parts = array_masker.cut(table[0])
    masks = data.draw(sets.masks(parts.max() + 1))
    assert_array_equal(frame_masker.cut(frame.iloc[[0]]), parts)
    told = array_masker.render(table[0], parts, array_masker.fill_, masks)
    seen = frame_masker.render(frame.iloc[[0]], parts, frame_masker.fill_, masks)
    assert_array_equal(seen.to_numpy(), told)


@examples(150)
@given(st.data())
def test_groups_become_parts(data):
    n_columns = data.draw(st.integers(1, 8))
    groups = data.draw(sets.groups(n_columns)) or []
    parts = TabularMasker(groups=groups).fit(np.ones((2, n_columns))).parts_
    grouped = [j for group in groups for j in group]
    assert parts.max() + 1 == len(groups) + n_columns - len(grouped)
    for group in groups:
        assert_array_equal(np.flatnonzero(parts == parts[group[0]]), sorted(group))
    first_seen = [np.flatnonzero(parts == k)[0] for k in range(parts.max() + 1)]
    assert first_seen == sorted(first_seen)


@examples(150)
@given(sets.tables())
def test_statistics_skip_missing_values(table):
    exact = table.astype(float)
    for name, function in (("mean", np.mean), ("median", np.median)):
        masker = TabularMasker(fill=name).fit(table)
        for filled, column in zip(masker.fill_.astype(float), exact.T, strict=True):
            present = column[~np.isnan(column)]
            if len(present) == 0:
                assert np.isnan(filled)
            elif table.dtype.kind == "f":
                assert_allclose(filled, function(present), rtol=2e-3, atol=1e-6)
            elif table.dtype.kind != "b":
                exactly = function(present)
                assert abs(filled - exactly) <= 0.5 + 1e-9 * abs(exactly)
