# SPDX-License-Identifier: BSD-3-Clause
"""Errors and warnings of our own; everything else is a built-in or scikit-learn's."""

import sys
import warnings

import numpy as np

__all__ = [
    "DesignMismatchError",
    "ModelChangedError",
    "PartialAnswerError",
    "QueryError",
    "ServiceError",
    "UndefinedSignatureWarning",
]

# Between a call of the user's and the place where something is noticed.
_WITHIN = ("skzest", "sklearn", "joblib", "torch", "contextlib", "threading", "concurrent")


class QueryError(ValueError):
    """A model gave an answer that cannot be used as scores."""


class ServiceError(QueryError):
    """A service did not answer, or may not be asked any more questions."""


class PartialAnswerError(ServiceError):
    """A service answered a part of a batch and then failed.

    Attributes
    ----------
    known : ndarray of bool, shape (n,)
        Which rows of the batch were answered.
    answer : ndarray of shape (n_known, ...)
        The answers to these rows, in order.
    """

    def __init__(self, message: str, known: np.ndarray, answer: np.ndarray):
        super().__init__(message)
        self.known, self.answer = known, answer


class DesignMismatchError(ValueError):
    """Signatures of different questions were compared.

    Coefficients describe the parts and masks that were asked. Under another plan the same
    column is another part of another point, and a distance would be a number about nothing.
    """


class ModelChangedError(ValueError):
    """A model no longer gives the answers that are stored under its name or content.

    Mixed answers would describe neither the model that was nor the one that is.
    """


class UndefinedSignatureWarning(UserWarning):
    """A model answers every question alike, so its signature has no direction."""


def passable(error: Exception) -> Exception:
    """The error, or one in its place that can pass through contexts, which set its traceback.

    A frozen dataclass refuses that, and what arrives says nothing about the error.
    """
    try:
        error.__traceback__ = error.__traceback__
    except Exception:
        passed = RuntimeError(f"{type(error).__name__}: {error}")
        passed.__cause__ = error
        return passed
    return error


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line outside this package and those that it is called through.

    How deep that is depends on callbacks, decorators and jobs, so it is looked up. In a thread of
    a pool there is no such line; the warning then points to where the thread began.
    """
    depth, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _WITHIN:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth + 1)
