# SPDX-License-Identifier: BSD-3-Clause
"""The local surrogate: from masks and scores to coefficients.

Least squares and ridge are linear in the scores: what is factored depends on the masks alone. It
is computed once per reference point and serves all classes of all models.
"""

from __future__ import annotations

import hashlib
import inspect
import numbers
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy.linalg.lapack import dpocon, dpotrf, dpotrs
from sklearn.base import RegressorMixin, clone, is_regressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from .._validation import check_choice
from ._memo import ArrayMemo

__all__ = [
    "PASSTHROUGH",
    "LinearFit",
    "Surrogate",
    "check_kernel_width",
    "check_masks_suffice",
    "check_surrogate",
    "closed_form",
    "coefficients",
    "kernel_weights",
    "n_masks_needed",
    "tell_parts_apart",
]

PASSTHROUGH = "passthrough"

# A linear regressor of scikit-learn, or "passthrough".
Surrogate: TypeAlias = RegressorMixin | str

# The Gram matrix has the square of the masks' condition number. Up to this value of it at least
# 12 of 16 digits are right, and forming it is 4-5 times faster than an SVD of the masks.
_MAX_GRAM_CONDITION = 1e4

# Factors serve all models, all points with the same masks, and a plan's check before its answers.
_FACTORS = ArrayMemo(64 * 2**20)

# Reciprocal condition numbers of a Gram matrix: below the first, half of the digits of the
# coefficients are lost; above the second, an estimate of it is enough to be sure.
_SINGULAR, _SURE = 1e-14, 1e-9


def check_surrogate(surrogate: object) -> Surrogate:
    """The surrogate to use: the default for None, else the one given if it is suitable."""
    if surrogate is None:
        return LinearRegression()
    if isinstance(surrogate, str):
        remedy = "None is LinearRegression(); any linear regressor of scikit-learn will do."
        check_choice(surrogate, "surrogate", (PASSTHROUGH, None), remedy)
        return surrogate
    if inspect.isclass(surrogate) or not hasattr(surrogate, "fit") or not is_regressor(surrogate):
        raise TypeError(
            f"surrogate must be a linear regressor with coef_, such as Ridge(); got {surrogate!r}."
        )
    if hasattr(surrogate, "_validate_params"):
        # The closed form would take a negative alpha, which the regressor's own code refuses.
        try:
            surrogate._validate_params()
        except ValueError as error:
            raise ValueError(str(error)) from error
    return surrogate


def closed_form(surrogate: Surrogate) -> dict | None:
    """``{"alpha", "fit_intercept"}`` if the surrogate has our closed form, else None."""
    if isinstance(surrogate, str):
        return None
    if type(surrogate) is LinearRegression and not surrogate.positive:
        return {"alpha": 0.0, "fit_intercept": bool(surrogate.fit_intercept)}
    if type(surrogate) is Ridge and not surrogate.positive and np.ndim(surrogate.alpha) == 0:
        return {"alpha": float(surrogate.alpha), "fit_intercept": bool(surrogate.fit_intercept)}
    return None


def n_masks_needed(surrogate: Surrogate, n_parts: int) -> int:
    """Fewest masks for which the surrogate is determined."""
    form = closed_form(surrogate)
    if form is None or form["alpha"] > 0:
        return 2  # with one mask there is nothing to compare
    return n_parts + int(form["fit_intercept"])


def check_kernel_width(width: object) -> float | None:
    """The kernel's width as a float, or None for no kernel."""
    if width is None:
        return None
    if isinstance(width, (bool, np.bool_)) or not isinstance(width, numbers.Real):
        raise TypeError(f"kernel_width must be a number or None; got {width!r}.")
    if not float(width) > 0:
        raise ValueError(f"kernel_width must be positive or None; got {width}.")
    return float(width)


def kernel_weights(masks: np.ndarray, width: float | None) -> np.ndarray | None:
    """LIME's weights: an exponential kernel on the cosine distance to the unmasked point.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_masks, n_parts)
    width : float or None
        Kernel width; LIME uses 0.25 for images. None: no weights.

    Returns
    -------
    weights : ndarray of shape (n_masks,), or None

    References
    ----------
    .. [1] M. Ribeiro, S. Singh, C. Guestrin, "Why should I trust you?", KDD 2016, section 3.3.
    """
    if width is None:
        return None
    # cos(mask, ones) = (n_kept / |mask|) / sqrt(n_parts) = sqrt(n_kept / n_parts)
    distance = 1.0 - np.sqrt(masks.mean(axis=1))
    with np.errstate(over="ignore"):
        return np.sqrt(np.exp(-((distance / width) ** 2)))


class LinearFit:
    """Least squares or ridge from masks to scores, ready for the scores of any model.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_masks, n_parts)
    weights : ndarray of shape (n_masks,), optional
        Sample weights.
    alpha : float, default=0.0
        Ridge penalty in scikit-learn's units (on the sum of squares, intercept free).
    fit_intercept : bool, default=True
    """

    def __init__(
        self,
        masks: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
    ):
        self._masks, self._weights = masks, weights
        self._alpha, self._fit_intercept = alpha, fit_intercept
        self._root = None if weights is None else np.sqrt(weights)[:, None]
        self._factor = self._cholesky() if len(masks) >= masks.shape[1] else None

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Coefficients (n_parts, n_classes) from scores (n_masks, n_classes)."""
        if self.centre is not None:
            scores = scores - self.centre @ scores
        if self._factor is None:
            return self.operator @ scores
        if self._root is None:
            return dpotrs(self._factor, self._numbers.T @ scores)[0]
        return dpotrs(self._factor, self._A.T @ (scores * self._root))[0]

    @cached_property
    def operator(self) -> np.ndarray:
        """Matrix (n_parts, n_masks) from scores, less their centre, to coefficients.

        Of several least-squares solutions it gives the one with the smallest norm.
        """
        if self._factor is None:
            inverse = _ridge_inverse(self._A, self._alpha)
        else:
            inverse = dpotrs(self._factor, self._A.T)[0]
        return inverse if self._root is None else inverse * self._root[:, 0]

    @cached_property
    def centre(self) -> np.ndarray | None:
        """Weights of the mean that is taken off the scores, shape (1, n_masks)."""
        if not self._fit_intercept:
            return None
        of_each = np.ones(len(self._masks)) if self._weights is None else self._weights
        return (of_each / of_each.sum())[None, :]

    @property
    def is_certain(self) -> bool:
        """Whether the masks alone determine the coefficients, by a wide margin."""
        return self._alpha == 0 and self._factor is not None

    @cached_property
    def _numbers(self) -> np.ndarray:
        """The masks as numbers. Scores that sum to zero take off the mean of the masks, too."""
        return self._masks.astype(np.float64)

    @cached_property
    def _A(self) -> np.ndarray:
        """The masks less their mean, times the roots of the weights.

        The scores lose their mean as well: centred masks sum to zero only to their own rounding,
        and where a narrow kernel makes the inverse large, all digits would be lost (at a width
        of 0.03).
        """
        A = self._numbers
        if self._fit_intercept:
            A = A - np.average(A, axis=0, weights=self._weights)
        return A if self._root is None else A * self._root

    def _cholesky(self) -> np.ndarray | None:
        """Factor of the Gram matrix where forming it costs no accuracy."""
        settings = f"{self._masks.shape} {self._alpha} {self._fit_intercept}".encode()
        sha = hashlib.sha256(settings)
        sha.update(np.packbits(self._masks).tobytes())
        if self._weights is not None:
            sha.update(self._weights.tobytes())
        factor = _FACTORS.get(sha.digest(), self._new_factor)
        return factor if factor.size else None

    def _new_factor(self) -> np.ndarray:
        """The factor, or an empty array if there is none that is accurate."""
        gram = self._gram()
        gram.flat[:: len(gram) + 1] += self._alpha
        factor, reciprocal_condition = _cholesky(gram)
        return factor if reciprocal_condition * _MAX_GRAM_CONDITION > 1 else np.empty(0)

    def _gram(self) -> np.ndarray:
        """The Gram matrix of the masks, centred and weighted."""
        if self._weights is not None:
            return self._A.T @ self._A
        # Counts: exact in float32, and half the work.
        design = self._masks.astype(np.float32)
        together = (design.T @ design).astype(np.float64)
        if self._fit_intercept:
            kept = together.diagonal()
            together -= np.outer(kept, kept) / len(design)
        return together


def _ridge_inverse(A: np.ndarray, alpha: float) -> np.ndarray:
    """(A'A + alpha I)^+ A'."""
    # svd, not pinv(A.T @ A) @ A.T: forming the product squares the condition number.
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    cutoff = max(A.shape) * np.finfo(A.dtype).eps * s.max(initial=0.0)
    gains = np.where(s > cutoff, s, 0.0) / np.where(s > cutoff, s * s + alpha, 1.0)
    return (Vt.T * gains) @ U.T


def _cholesky(gram: np.ndarray) -> tuple[np.ndarray, float]:
    """Cholesky factor, and the reciprocal of the condition number; 0.0 if there is no factor."""
    factor, info = dpotrf(gram)
    if info:
        return factor, 0.0
    return factor, float(dpocon(factor, np.abs(gram).sum(axis=0).max())[0])


def tell_parts_apart(masks: np.ndarray, weights: np.ndarray | None, fit_intercept: bool) -> bool:
    """Whether masks of shape (n_masks, n_parts) determine a least-squares fit."""
    # Sums of zeros and ones are exact in float32, and twice as fast.
    design: np.ndarray = masks.astype(np.float32 if weights is None else np.float64)
    if fit_intercept:
        design = np.column_stack([np.ones(len(masks), design.dtype), design])
    if weights is not None:
        design = design * np.sqrt(weights)[:, None]
    gram = (design.T @ design).astype(np.float64)
    if _cholesky(gram)[1] > _SURE:
        return True
    values = np.linalg.eigvalsh(gram)
    return bool(values[0] > _SINGULAR * values[-1])


def check_masks_suffice(
    masks: np.ndarray,
    surrogate: Surrogate,
    kernel_width: float | None,
    index: int,
    remedy: str = "",
) -> None:
    """Refuse masks of a point, at ``index`` in the reference, that do not determine a surrogate."""
    needed = n_masks_needed(surrogate, masks.shape[1])
    if len(masks) < needed:
        raise ValueError(
            f"reference point {index} has {masks.shape[1]} parts and {len(masks)} masks; "
            f"least squares needs at least {needed}. Raise n_samples, or use surrogate=Ridge()."
            f"{remedy}"
        )
    if isinstance(surrogate, str):
        return
    form, weights = closed_form(surrogate), kernel_weights(masks, kernel_width)
    if form is not None and weights is None and LinearFit(masks, **form).is_certain:
        return  # the factor is kept for the answers
    counted = masks if weights is None else masks[weights > 0]
    if not (counted != counted[:1]).any():
        raise ValueError(
            f"of the {len(masks)} masks of reference point {index} no two different ones "
            + ("are given" if weights is None else f"have weight under kernel_width={kernel_width}")
            + ", so there is nothing to compare. "
            + ("Sample more masks." if weights is None else "Raise kernel_width.")
        )
    if form is None or form["alpha"] > 0:
        return
    if not tell_parts_apart(masks, weights, form["fit_intercept"]):
        raise ValueError(
            f"the {len(masks)} masks of reference point {index} cannot tell its "
            f"{masks.shape[1]} parts apart"
            + ("" if weights is None else f" under kernel_width={kernel_width}")
            + ", so least squares has no unique solution. Raise n_samples, or pass "
            "surrogate=Ridge()."
        )


def coefficients(
    surrogate: Surrogate, masks: np.ndarray, scores: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """Coefficients of any linear regressor of scikit-learn, fitted by its own code.

    Parameters
    ----------
    surrogate : regressor
        Cloned, not changed. One with a single target is fitted class by class.
    masks : ndarray of shape (n_masks, n_parts)
    scores : ndarray of shape (n_masks, n_classes)
    weights : ndarray of shape (n_masks,) or None

    Returns
    -------
    coef : ndarray of shape (n_parts, n_classes)

    Raises
    ------
    TypeError
        If there are weights and the regressor does not accept them, or it has no ``coef_``.
    """
    masks = masks.astype(np.float64)
    if get_tags(surrogate).target_tags.multi_output:
        return _fit(surrogate, masks, scores, weights).T
    return np.stack([_fit(surrogate, masks, column, weights) for column in scores.T], axis=1)


def _fit(
    surrogate: Surrogate, masks: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    name = type(surrogate).__name__
    fit_params = {}
    if weights is not None:
        if not has_fit_parameter(surrogate, "sample_weight"):
            raise TypeError(
                f"surrogate {name} does not accept sample_weight, which kernel_width needs. Pass "
                "kernel_width=None, or a regressor that accepts weights, such as Ridge()."
            )
        fit_params["sample_weight"] = weights
    fitted = clone(surrogate).fit(masks, target, **fit_params)
    if not hasattr(fitted, "coef_"):
        raise TypeError(
            f"surrogate {name} has no coef_ after fit; pass a linear regressor such as Ridge()."
        )
    return np.asarray(fitted.coef_, dtype=np.float64)
