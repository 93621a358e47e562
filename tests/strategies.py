# SPDX-License-Identifier: BSD-3-Clause
"""Inputs for Hypothesis: reference points of every dtype and layout, and what maskers do to them.

Shapes, layouts and parameters are drawn; the numbers come from a seed, with a few special
values put among them, because drawing each of some hundred pixels is slow and shrinks to nothing.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

DTYPES = ["uint8", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]
DTYPES_OF_IMAGES = [*DTYPES, "bool", ">f4", ">i2"]
LAYOUTS = ["grey", "last", "first", "flat grey", "flat last", "flat first"]

seeds = st.integers(0, 2**32 - 1)


def numbers(rng, shape, dtype):
    """Numbers that the dtype can hold, small ones and its extremes among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        drawn = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4)
        special = [0.0, -0.0, 1.0, -1.0, 255.0, 1e-5]
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        drawn = rng.integers(max(low, -300), min(high, 300), size=shape, endpoint=True)
        special = [0, 1, low, high]
    drawn = drawn.astype(dtype)
    chosen = rng.random(shape) < rng.choice([0, 0.1])
    return np.where(chosen, rng.choice(np.array(special, dtype=dtype), shape), drawn).astype(dtype)


@dataclass
class Images:
    """A reference of images, and the parameters with which a masker reads it."""

    reference: np.ndarray
    layout: str
    params: dict = field(default_factory=dict)

    def pixels(self, point):
        """A point as (height, width, channels), read independently of the masker."""
        image = point.reshape(self.params["image_shape"]) if "flat" in self.layout else point
        if "grey" in self.layout:
            return image[:, :, None]
        return image if "last" in self.layout else image.transpose(1, 2, 0)


def arranged(images, layout):
    """A reference (n, height, width, channels) in another layout: an `Images`."""
    n, n_channels = len(images), images.shape[-1]
    params = {"channel_axis": None if "grey" in layout else -1 if "last" in layout else 0}
    if "grey" in layout:
        assert n_channels == 1
        images = images[..., 0]
    elif "first" in layout:
        images = images.transpose(0, 3, 1, 2)
    if "flat" in layout:
        params["image_shape"] = images.shape[1:]
        images = images.reshape(n, -1)
    return Images(images, layout, params)


@st.composite
def images(draw, dtypes=DTYPES_OF_IMAGES, layouts=LAYOUTS, max_side=9):
    """References of one to four images."""
    layout, dtype = draw(st.sampled_from(layouts)), draw(st.sampled_from(dtypes))
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    n_channels = 1 if "grey" in layout else draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(seeds))
    shape = (draw(st.integers(1, 4)), height, width, n_channels)
    return arranged(numbers(rng, shape, dtype), layout)


grids = st.fixed_dictionaries(
    {
        "segmenter": st.just("grid"),
        "segmenter_params": st.none()
        | st.fixed_dictionaries({"shape": st.tuples(st.integers(1, 5), st.integers(1, 5))}),
    }
)
image_fills = st.sampled_from(["mean", "zero", "part_mean", 1, lambda image, parts: image[::-1]])


@st.composite
def masks(draw, n_parts):
    """Boolean masks (n_masks, n_parts), none to eight of them."""
    rng = np.random.default_rng(draw(seeds))
    return rng.random((draw(st.integers(0, 8)), n_parts)) < draw(st.sampled_from([0, 0.5, 1]))


@st.composite
def tables(draw, dtypes=(*DTYPES, "bool"), missing=True):
    """Numeric arrays (n_points, n_columns), floats with missing values now and then."""
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.integers(1, 8)), draw(st.integers(1, 7))
    table = numbers(rng, shape, draw(st.sampled_from(dtypes)))
    if missing and table.dtype.kind == "f":
        table[rng.random(shape) < draw(st.sampled_from([0, 0.3]))] = np.nan
    return table


def _nullable(values, rng, dtype):
    import pandas as pd

    return pd.Series(values, dtype=dtype).mask(rng.random(len(values)) < 0.2)


def _column(kind, n, rng):
    """One column of a DataFrame, as a Series."""
    import pandas as pd

    missing = rng.random(n) < 0.2
    days = pd.Timestamp("2020-02-28") + pd.to_timedelta(rng.integers(0, 9, n), unit="D")
    words = pd.Series(rng.choice(["a", "b", "long"], n), dtype=object)
    made = {
        "float": lambda: pd.Series(rng.normal(size=n)).mask(missing),
        "float32": lambda: pd.Series(rng.normal(size=n).astype("f4")).mask(missing),
        "int": lambda: pd.Series(rng.integers(-5, 5, n)),
        "uint8": lambda: pd.Series(rng.integers(0, 255, n).astype("u1")),
        "bool": lambda: pd.Series(rng.random(n) < 0.5),
        "Int64": lambda: _nullable(rng.integers(-5, 5, n), rng, "Int64"),
        "Float64": lambda: _nullable(rng.normal(size=n), rng, "Float64"),
        "boolean": lambda: _nullable(rng.random(n) < 0.5, rng, "boolean"),
        "object": lambda: words.mask(missing, None),
        "string": lambda: words.astype("string").mask(missing),
        "mixed": lambda: pd.Series([1, "a", None, 2.5][: 1 + n % 4] * n, dtype=object)[:n],
        "category": lambda: words.astype(pd.CategoricalDtype(["long", "b", "a", "c"])),
        "ordered": lambda: pd.Series(
            pd.Categorical(rng.integers(1, 4, n), categories=[3, 2, 1], ordered=True)
        ).mask(missing),
        "date": lambda: pd.Series(days).mask(missing),
        "zoned": lambda: pd.Series(days).dt.tz_localize("Europe/Paris").mask(missing),
        "duration": lambda: pd.Series(days - days[0]),
    }
    return made[kind]().reset_index(drop=True)


KINDS_OF_COLUMNS = [
    "float", "float32", "int", "uint8", "bool", "Int64", "Float64", "boolean", "object", "string",
    "mixed", "category", "ordered", "date", "zoned", "duration",
]  # fmt: skip


@st.composite
def frames(draw, kinds=KINDS_OF_COLUMNS):
    """DataFrames of columns of many kinds, missing values among them."""
    import pandas as pd

    drawn = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6))
    rng, n = np.random.default_rng(draw(seeds)), draw(st.integers(1, 8))
    columns = {f"{kind}_{j}": _column(kind, n, rng) for j, kind in enumerate(drawn)}
    index = [f"row {i}" for i in range(n)] if draw(st.booleans()) else None
    frame = pd.DataFrame(columns)
    return frame if index is None else frame.set_index(pd.Index(index))


@st.composite
def groups(draw, n_columns):
    """Disjoint, non-empty groups of some of the columns; None now and then."""
    if draw(st.booleans()):
        return None
    order = draw(st.permutations(range(n_columns)))
    taken = order[: draw(st.integers(0, n_columns))]
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(taken) - 1)), max_size=3)))
    made = [list(group) for group in np.split(np.array(taken, dtype=int), cuts)]
    return [[int(j) for j in group] for group in made if len(group)]


table_fills = st.sampled_from(
    ["mean", "median", "mode", "zero", {0: 1}, lambda point, parts: np.asarray(point).ravel()]
)
