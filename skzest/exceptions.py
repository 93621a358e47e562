# SPDX-License-Identifier: BSD-3-Clause
"""Errors and warnings of our own; everything else is a built-in or scikit-learn's."""

import numpy as np

__all__ = [
    "DesignMismatchError",
    "ModelChangedError",
    "PartialAnswerError",
    "QueryError",
    "ServiceError",
    "UndefinedSignatureWarning",
]


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
