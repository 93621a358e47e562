# SPDX-License-Identifier: BSD-3-Clause
"""The local surrogate: from masks and scores to coefficients.

Least squares and ridge are linear in the scores: what is factored depends on the masks alone. It
is computed once per reference point and serves all classes of all models.
"""

from __future__ import annotations

import inspect
import numbers
from typing import TypeAlias

import numpy as np
from sklearn.base import RegressorMixin, clone, is_regressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from .._validation import check_choice
from ._factor import cholesky
from ._linear_fit import LinearFit

__all__ = [
    "PASSTHROUGH",
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


def tell_parts_apart(masks: np.ndarray, weights: np.ndarray | None, fit_intercept: bool) -> bool:
    """Whether masks of shape (n_masks, n_parts) determine a least-squares fit."""
    # Sums of zeros and ones are exact in float32, and twice as fast.
    design: np.ndarray = masks.astype(np.float32 if weights is None else np.float64)
    if fit_intercept:
        design = np.column_stack([np.ones(len(masks), design.dtype), design])
    if weights is not None:
        design = design * np.sqrt(weights)[:, None]
    gram = (design.T @ design).astype(np.float64)
    if cholesky(gram)[1] > _SURE:
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
