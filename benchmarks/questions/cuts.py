# SPDX-License-Identifier: BSD-3-Clause
"""How many parts do segmenters make of images of each size, in what time, and how good are they?

For scikit-learn's two photographs and scikit-image's pictures, whole and reduced: number of parts,
seconds, share of the variance of Lab colours between parts, contrast at their borders in units of
the mean contrast of neighbouring pixels, and share of cuts with a part that is not connected.
"""

from __future__ import annotations

import numpy as np

from benchmarks._common import seconds, show, write_table

TAKES = "5 min"
NEEDS = "no data"
QUICK = {"sides": [32]}
PICTURES = ("astronaut", "coffee", "chelsea", "rocket", "brick", "grass", "gravel", "colorwheel")
GRID = {"segmenter_params": {"shape": (7, 7)}}
SLIC = {"segmenter_params": {"n_segments": 45}}
CUTS = {
    "auto": ("auto", {}),
    "45 regions": ("auto", {"n_parts": 45}),
    "quickshift": ("quickshift", {}),
    "slic": ("slic", SLIC),
    "grid": ("grid", GRID),
}


def pictures():
    """Colour images as uint8."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    found = list(load_sample_images().images)
    for name in PICTURES:
        try:
            image = getattr(data, name)()
        except Exception:  # not part of this release, or not downloaded
            continue
        found.append(np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image)
    return found


def sized(image, side):
    """The image with both sides of this length; None keeps it whole."""
    from skimage.transform import resize

    if side is None:
        return image
    return (255 * resize(image, (side, side), anti_aliasing=True)).astype(np.uint8)


def quality(image, parts):
    """Variance of colours between parts, contrast at borders, and whether all are connected."""
    from skimage.color import rgb2lab
    from skimage.measure import label

    lab, labels = rgb2lab(image), parts.ravel()
    sizes = np.bincount(labels)[:, None]
    flat = lab.reshape(-1, 3)
    means = np.stack([np.bincount(labels, weights=c) for c in flat.T], axis=1) / sizes
    total = ((flat - flat.mean(axis=0)) ** 2).sum()
    within = ((flat - means[labels]) ** 2).sum()
    steps = [np.linalg.norm(np.diff(lab, axis=a), axis=-1) for a in (0, 1)]
    borders = [np.diff(parts, axis=a) != 0 for a in (0, 1)]
    at_borders = np.concatenate([s[b] for s, b in zip(steps, borders)])
    everywhere = np.concatenate([s.ravel() for s in steps])
    contrast = at_borders.mean() / everywhere.mean() if at_borders.size else np.nan
    return 1 - within / total, contrast, label(parts + 1, connectivity=1).max() > parts.max() + 1


def add_options(parser):
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64, 128, 224, 0])


def main(args):
    from skzest import ImageMasker

    rows = []
    for side in args.sides:
        images = [sized(image, side or None) for image in pictures()]
        for name, (segmenter, params) in CUTS.items():
            found = []
            for image in images:
                masker = ImageMasker(segmenter, **params).fit(image[None])
                took = seconds(lambda: masker.cut(image))  # noqa: B023
                parts = masker.cut(image)
                found.append((parts.max() + 1, took, *quality(image, parts)))
            table = np.array(found, dtype=float)
            rows.append(
                {
                    "size": side or "whole",
                    "cut": name,
                    "fewest parts": int(table[:, 0].min()),
                    "median": int(np.median(table[:, 0])),
                    "most parts": int(table[:, 0].max()),
                    "seconds": np.median(table[:, 1]),
                    "between parts": np.mean(table[:, 2]),
                    "contrast": np.nanmedian(table[:, 3]),
                    "unconnected": np.mean(table[:, 4]),
                }
            )
            show(rows[-1], digits=3)
    write_table(args.results / "cuts.csv", rows, digits=3)
