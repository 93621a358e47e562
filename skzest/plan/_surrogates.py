# SPDX-License-Identifier: BSD-3-Clause
"""The local surrogate: (masks, scores) -> coefficients. Arrays only, no models.

Least squares and ridge are linear in the scores: their coefficients are ``operator @ scores``
with an operator that depends on the masks alone. It is worked out once per reference point and
serves all classes of all models, on NumPy arrays and on torch tensors of any device alike.
"""

from __future__ import annotations

import inspect
import numbers
from typing import Any

import array_api_compat
import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

__all__ = [
    "PASSTHROUGH",
    "check_kernel_width",
    "check_surrogate",
    "closed_form",
    "coefficients",
    "kernel_weights",
    "linear_operator",
    "n_masks_needed",
]

PASSTHROUGH = "passthrough"

# The Gram matrix has the square of the masks' condition number. Up to this value of it at least
# 12 of 16 digits are right, and forming it is 4-5 times faster than an SVD of the masks.
_MAX_GRAM_CONDITION = 1e4


def check_surrogate(surrogate: Any) -> Any:
    """The surrogate to use: the default for None, else the given one if it can serve."""
    if surrogate is None:
        return LinearRegression()
    if isinstance(surrogate, str):
        if surrogate == PASSTHROUGH:
            return surrogate
        raise ValueError(
            f"surrogate={surrogate!r} is unknown; pass None (LinearRegression()), "
            f"{PASSTHROUGH!r}, or a scikit-learn linear regressor."
        )
    if inspect.isclass(surrogate) or not hasattr(surrogate, "fit") or not is_regressor(surrogate):
        raise TypeError(
            f"surrogate must be a linear regressor with coef_, such as Ridge(); got {surrogate!r}."
        )
    return surrogate


def closed_form(surrogate: Any) -> dict | None:
    """``{"alpha", "fit_intercept"}`` if the surrogate has our closed form, else None."""
    if type(surrogate) is LinearRegression and not surrogate.positive:
        return {"alpha": 0.0, "fit_intercept": bool(surrogate.fit_intercept)}
    if type(surrogate) is Ridge and not surrogate.positive and np.ndim(surrogate.alpha) == 0:
        return {"alpha": float(surrogate.alpha), "fit_intercept": bool(surrogate.fit_intercept)}
    return None


def n_masks_needed(surrogate: Any, n_parts: int) -> int:
    """Fewest masks for which the surrogate is determined."""
    form = None if surrogate == PASSTHROUGH else closed_form(surrogate)
    if form is None or form["alpha"] > 0:
        return 2  # one mask has nothing to be compared with
    return n_parts + int(form["fit_intercept"])


def check_kernel_width(width: Any) -> float | None:
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
    return np.sqrt(np.exp(-((distance / width) ** 2)))


def linear_operator(
    masks: Any, weights: Any = None, *, alpha: float = 0.0, fit_intercept: bool = True
) -> Any:
    """Matrix that takes scores to the coefficients of (weighted) least squares or ridge.

    Parameters
    ----------
    masks : array of shape (n_masks, n_parts)
        Floating, on any device.
    weights : array of shape (n_masks,), optional
        Sample weights.
    alpha : float, default=0.0
        Ridge penalty in scikit-learn's units (on the sum of squares, intercept free).
    fit_intercept : bool, default=True

    Returns
    -------
    operator : array of shape (n_parts, n_masks)
        ``operator @ scores`` are the coefficients. Of several least-squares solutions it gives
        the one of smallest norm.
    """
    xp = array_api_compat.array_namespace(masks)
    root = None
    if weights is not None:
        root = xp.sqrt(weights)[:, None]
    if fit_intercept:
        if weights is None:
            masks = masks - xp.mean(masks, axis=0)
        else:
            masks = masks - (weights @ masks) / xp.sum(weights)
    if root is not None:
        masks = masks * root
    operator = _ridge_inverse(xp, masks, alpha)
    # Centring the scores as well is not needed: the rows of the centred operator sum to zero.
    return operator if root is None else operator * root[:, 0]


def _ridge_inverse(xp: Any, A: Any, alpha: float) -> Any:
    """(A'A + alpha I)^+ A', through the Gram matrix where that costs no accuracy."""
    if A.shape[0] >= A.shape[1]:  # else it is singular, and may be large
        values, vectors = xp.linalg.eigh(A.T @ A)
        smallest, largest = float(values[0]) + alpha, float(values[-1]) + alpha
        if smallest * _MAX_GRAM_CONDITION > largest:
            return (vectors / (values + alpha)) @ (vectors.T @ A.T)
    # svd, not pinv(A.T @ A) @ A.T: forming the product squares the condition number.
    U, s, Vt = xp.linalg.svd(A, full_matrices=False)
    cutoff = max(A.shape) * float(xp.finfo(A.dtype).eps) * (float(s[0]) if s.shape[0] else 0.0)
    safe = s > cutoff
    s = xp.where(safe, s, xp.ones_like(s))
    gains = xp.where(safe, s / (s * s + alpha), xp.zeros_like(s))
    return (Vt.T * gains) @ U.T


def coefficients(
    surrogate: Any, masks: np.ndarray, scores: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """Coefficients of any scikit-learn linear regressor, fitted by its own code.

    Parameters
    ----------
    surrogate : regressor
        Cloned, not changed. One that takes a single target is fitted class by class.
    masks : ndarray of shape (n_masks, n_parts)
    scores : ndarray of shape (n_masks, n_classes)
    weights : ndarray of shape (n_masks,) or None

    Returns
    -------
    coef : ndarray of shape (n_parts, n_classes)

    Raises
    ------
    TypeError
        If the regressor takes no sample weights and there are some, or has no ``coef_``.
    """
    masks = masks.astype(np.float64)
    if get_tags(surrogate).target_tags.multi_output:
        return _fit(surrogate, masks, scores, weights).T
    return np.stack([_fit(surrogate, masks, column, weights) for column in scores.T], axis=1)


def _fit(
    surrogate: Any, masks: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    name = type(surrogate).__name__
    fit_params = {}
    if weights is not None:
        if not has_fit_parameter(surrogate, "sample_weight"):
            raise TypeError(
                f"surrogate {name} takes no sample_weight, but kernel_width asks for weights. "
                "Use kernel_width=None, or a regressor with weights such as Ridge()."
            )
        fit_params["sample_weight"] = weights
    fitted = clone(surrogate).fit(masks, target, **fit_params)
    if not hasattr(fitted, "coef_"):
        raise TypeError(
            f"surrogate {name} has no coef_ after fit; pass a linear regressor such as Ridge()."
        )
    return np.asarray(fitted.coef_, dtype=np.float64)
