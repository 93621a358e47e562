# SPDX-License-Identifier: BSD-3-Clause
"""Errors and warnings of our own; everything else is a built-in or scikit-learn's."""

__all__ = ["DesignMismatchError", "QueryError", "UndefinedSignatureWarning"]


class QueryError(ValueError):
    """A model gave an answer that cannot be used as scores."""


class DesignMismatchError(ValueError):
    """Signatures of different questions were compared.

    Coefficients describe the parts and masks that were asked. Under another plan the same
    column is another part of another point, and a distance would be a number about nothing.
    """


class UndefinedSignatureWarning(UserWarning):
    """A model answers every question alike, so its signature has no direction."""
