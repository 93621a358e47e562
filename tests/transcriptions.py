# SPDX-License-Identifier: BSD-3-Clause
"""Three dialects of one method, written down slowly, to be disagreed with.

The paper's text, the behaviour of the authors' released code, and LIME for images, each as the
plainest program that does it: one loop per "for each", no batching, nothing imported from
skzest. Where skzest and this file differ, one of the two misreads its source.

Names are shared by the three dialects. An ``image`` is an array of shape (H, W) or (H, W, 3), its
``parts`` an integer array (H, W), ``masks`` an array (n_masks, n_parts) of 0 and 1, and a
``model`` a function from a batch of images to ``scores`` (n, n_classes). ``parts`` and ``masks``
may be given, so that the same questions can be put to both sides; left out, they are made here.
"""

import numpy as np
from skimage.segmentation import quickshift

QUICKSHIFT = {"kernel_size": 4, "ratio": 0.2, "max_dist": 200}


# ---------------------------------------------------------------- pieces that all three share


def quickshift_parts(image):
    """Super-pixels of `image` as it comes; the caller has chosen its scale (0-255 or 0-1)."""
    if image.ndim == 2:
        image = np.stack([image, image, image], axis=-1)
    return quickshift(image, **QUICKSHIFT)


def random_masks(n_masks, n_parts, rng):
    """Coin tosses; the first mask keeps every part."""
    masks = np.zeros((n_masks, n_parts), dtype=int)
    for row in range(n_masks):
        for part in range(n_parts):
            masks[row, part] = rng.integers(0, 2)
    masks[0, :] = 1
    return masks


def masked_copy(image, parts, mask, filled):
    """`image` in the parts where the mask is 1, `filled` where it is 0."""
    copy = np.array(image)
    for part in range(parts.max() + 1):
        if mask[part] == 0:
            copy[parts == part] = filled[parts == part]
    return copy


def scores_of(model, image, parts, masks, filled):
    """The model's answers to the masked copies, asked one by one."""
    scores = []
    for mask in masks:
        copy = masked_copy(image, parts, mask, filled)
        scores.append(model(copy[None])[0])
    return np.array(scores, dtype=float)


def questions(images, parts, masks, n_masks, rng):
    """(image, its parts, its masks), one point after the other."""
    for n, image in enumerate(images):
        image_parts = quickshift_parts(image) if parts is None else parts[n]
        n_parts = image_parts.max() + 1
        image_masks = random_masks(n_masks, n_parts, rng) if masks is None else masks[n]
        yield image, image_parts, image_masks


def cosine_distance(a, b):
    """1 - cos of the angle between two arrays, taken as long vectors."""
    a, b = np.ravel(a), np.ravel(b)
    return 1.0 - np.sum(a * b) / (np.sum(a * a) ** 0.5 * np.sum(b * b) ** 0.5)


# ---------------------------------------------------------------- (a) the paper's text


def paper_signature(model, images, parts=None, masks=None, n_masks=1000, rng=None):
    """§3: one least-squares regression per reference point; ``W_n`` of shape (D, K_n) each."""
    local_signatures = []
    for image, image_parts, image_masks in questions(images, parts, masks, n_masks, rng):
        hidden = np.zeros_like(image)  # x * m
        scores = scores_of(model, image, image_parts, image_masks, hidden)
        design = np.array(image_masks, dtype=float)
        W = np.zeros((scores.shape[1], design.shape[1]))
        for c in range(scores.shape[1]):
            W[c] = np.linalg.lstsq(design, scores[:, c], rcond=None)[0]
        local_signatures.append(W)
    return local_signatures


def side_by_side(local_signatures):
    """The ``W_n`` of all points next to each other: (D, sum of K_n), one row per class."""
    return np.concatenate(local_signatures, axis=1)


def smaller_first(A, B):
    """The model with fewer classes is the one whose rows look for a partner."""
    return (A, B) if len(A) <= len(B) else (B, A)


def sequential_match(small, large):
    """§3: rows of the smaller model in order, each takes the nearest row that is left."""
    left = list(range(len(large)))
    match = []
    for row in small:
        nearest = left[0]
        for candidate in left:
            if cosine_distance(row, large[candidate]) < cosine_distance(row, large[nearest]):
                nearest = candidate
        match.append(nearest)
        left.remove(nearest)
    return match


def nearest_match(small, large):
    """Each row takes its nearest row, taken or not (argmin, with replacement)."""
    match = []
    for row in small:
        match.append(int(np.argmin([cosine_distance(row, other) for other in large])))
    return match


def paper_distance(S_1, S_2):
    """§3, classes known to correspond: one cosine over the whole signature."""
    return cosine_distance(S_1, S_2)


def paper_distance_sequential(S_1, S_2):
    """§3, classes not known to correspond."""
    small, large = smaller_first(S_1, S_2)
    return cosine_distance(small, large[sequential_match(small, large)])


def paper_distance_algorithm_1(local_1, local_2):
    """Alg. 1: rows are matched anew, with replacement, inside each reference point."""
    if len(local_1[0]) > len(local_2[0]):
        local_1, local_2 = local_2, local_1
    aligned = []
    for W_1, W_2 in zip(local_1, local_2, strict=True):
        aligned.append(W_2[nearest_match(W_1, W_2)])
    return cosine_distance(side_by_side(local_1), side_by_side(aligned))


def paper_distance_appendix_b(S_1, S_2):
    """App. B: rows are matched once, on the concatenated signature."""
    small, large = smaller_first(S_1, S_2)
    return cosine_distance(small, large[nearest_match(small, large)])


# ---------------------------------------------------------------- (b) the released code


def released_signature(
    model, images, parts=None, masks=None, mean=0.0, n_masks=1000, rng=None, shown=None
):
    """``W = pinv(M'M) M' Z`` from raw logits, stacked over points: (sum of K_n, D).

    `mean` is what hidden pixels become, one value or one per channel; the released code
    normalises first, so that its zeros are the data's mean colour. `shown` are the images that
    quickshift sees where these are not `images` themselves: there, floats in 0-255.
    """
    if parts is None:
        parts = [quickshift_parts(image) for image in (images if shown is None else shown)]
    stacked = []
    for image, image_parts, image_masks in questions(images, parts, masks, n_masks, rng):
        fudge = np.zeros(image.shape)
        fudge[...] = mean
        logits = scores_of(model, image, image_parts, image_masks, fudge)
        M = np.array(image_masks, dtype=float)
        stacked.append(np.linalg.pinv(M.T @ M) @ M.T @ logits)
    return np.concatenate(stacked, axis=0)


def released_metric(a, b, metric):
    """Distance of two arrays of one shape, flattened."""
    gap = np.abs(np.ravel(a) - np.ravel(b))
    if metric == "cosine":
        return cosine_distance(a, b)
    if metric == "l1":
        return np.sum(gap)
    if metric == "l2":
        return np.sum(gap**2) ** 0.5
    if metric == "linf":
        return np.max(gap)
    raise ValueError(metric)


def released_match(small, large, metric):
    """Smallest cell of the whole D1 x D2 matrix, strike its row and its column, again."""
    cells = np.zeros((small.shape[1], large.shape[1]))
    for i in range(small.shape[1]):
        for j in range(large.shape[1]):
            cells[i, j] = released_metric(small[:, i], large[:, j], metric)
    match = [-1] * small.shape[1]
    for _ in range(small.shape[1]):
        i, j = np.unravel_index(np.argmin(cells), cells.shape)
        match[i] = int(j)
        cells[i, :] = np.inf
        cells[:, j] = np.inf
    return match


def released_distance(W_1, W_2, metric="cosine"):
    """Always aligned; the model with fewer classes, or the first on a tie, is the reference."""
    small, large = (W_1, W_2) if W_1.shape[1] <= W_2.shape[1] else (W_2, W_1)
    return released_metric(small, large[:, released_match(small, large, metric)], metric)


# ---------------------------------------------------------------- (c) LIME, for images


def part_mean_fill(image, parts):
    """Every super-pixel in its own mean colour; integer images drop the fraction, as LIME does."""
    filled = np.array(image)
    for part in range(parts.max() + 1):
        inside = parts == part
        for channel in np.ndindex(image.shape[2:]):
            filled[(inside, *channel)] = np.mean(image[(inside, *channel)])
    return filled


def softmax(logits):
    """Probabilities of one row of logits."""
    shifted = np.exp(logits - np.max(logits))
    return shifted / shifted.sum()


def lime_weights(masks, width=0.25):
    """Exponential kernel on the cosine distance of each mask to the mask of ones."""
    weights = []
    for mask in masks:
        # An empty mask has no direction; scikit-learn's cosine distance says 1.
        d = cosine_distance(mask, np.ones(len(mask))) if np.any(mask) else 1.0
        weights.append(np.sqrt(np.exp(-(d**2) / width**2)))
    return np.array(weights)


def weighted_ridge(masks, target, weights, alpha=1.0):
    """Minimise ``sum w (y - b - x'a)^2 + alpha |a|^2``; the intercept goes unpunished."""
    n_parts = masks.shape[1]
    X = np.column_stack([masks, np.ones(len(masks))])
    normal = np.zeros((n_parts + 1, n_parts + 1))
    right = np.zeros(n_parts + 1)
    for x, y, w in zip(X, target, weights, strict=True):
        normal += w * np.outer(x, x)
        right += w * y * x
    for part in range(n_parts):
        normal[part, part] += alpha
    solution = np.linalg.solve(normal, right)
    return solution[:-1], solution[-1]


def lime_coefficients(model, image, parts=None, masks=None, n_masks=1000, rng=None, filled=None):
    """One explanation per class, (D, K), and the intercepts, (D,). `model` gives probabilities."""
    if parts is None:
        parts = quickshift_parts(image)
    if masks is None:
        masks = random_masks(n_masks, parts.max() + 1, rng)
    if filled is None:
        filled = part_mean_fill(image, parts)
    probabilities = scores_of(model, image, parts, masks, filled)
    weights = lime_weights(masks)
    coefficients, intercepts = [], []
    for c in range(probabilities.shape[1]):
        a, b = weighted_ridge(masks, probabilities[:, c], weights)
        coefficients.append(a)
        intercepts.append(b)
    return np.array(coefficients), np.array(intercepts)
