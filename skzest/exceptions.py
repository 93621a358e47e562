# SPDX-License-Identifier: BSD-3-Clause
"""Errors and warnings of our own; everything else is a built-in or scikit-learn's."""

__all__ = ["DesignMismatchError", "ModelChangedError", "QueryError", "UndefinedSignatureWarning"]


class QueryError(ValueError):
    """A model gave an answer that cannot be used as scores."""


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
