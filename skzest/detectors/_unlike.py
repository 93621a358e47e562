# SPDX-License-Identifier: BSD-3-Clause
"""Is a suspect like the models that calibrate? If not, the false-positive rate is not for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..comparing import number
from ._same import SAME

__all__ = ["Crowd", "judged_again", "unlike"]

# With fewer unrelated models, their range says little.
_FEWEST = 9
# How far outside the range of the unrelated models, in widths of that range.
_SLACK = 1.0


def unlike(
    what: str, of_suspects: np.ndarray, of_unrelated: np.ndarray, names: Sequence[str]
) -> list[str]:
    """Warnings about suspects that are far outside the range of the unrelated models.

    Parameters
    ----------
    what : str
        What was measured, such as "accuracy".
    of_suspects : ndarray of shape (n_suspects,)
    of_unrelated : ndarray of shape (n_unrelated,)
    names : sequence of str
        Of the suspects.
    """
    known = of_unrelated[np.isfinite(of_unrelated)]
    if len(known) < _FEWEST:
        return []
    low, high = known.min(), known.max()
    slack = _SLACK * (high - low)
    return [
        f"{names[i]} is unlike the unrelated models: its {what} is {number(value)}, theirs is "
        f"{number(low)} to {number(high)}. The false-positive rate is that of models like them; "
        "calibrate with models like the suspect, too."
        for i, value in enumerate(of_suspects)
        if value < low - slack or value > high + slack
    ]


def judged_again(name: str, how: str, j: int) -> str:
    """A warning about a suspect that must be unrelated model ``j``."""
    return (
        f"{name} {how} unrelated model {j}: if it is the same, it was assumed to be unrelated and "
        "is now judged. Leave it out of one of the two."
    )


class Crowd:
    """What unrelated models answered, with which the answers of suspects are compared.

    Parameters
    ----------
    distances : ndarray of shape (n_unrelated, ..., n_distances)
        By the same questions; the shape of ``Answered.distances``.
    labels : dict of str to ndarray of shape (n_unrelated, n_questions)
        By what was asked: ``"copies"``, ``"points"``, ``"rehearsal"``.
    y : array-like or None
        True labels, those of ``"points"`` first.
    owner : dict of str to ndarray of shape (n_questions,)
        The owner's labels, by what was asked, where questions were chosen because of them.
    """

    def __init__(
        self,
        distances: np.ndarray,
        labels: Mapping[str, np.ndarray],
        y: ArrayLike | None,
        owner: Mapping[str, np.ndarray],
    ):
        self.distances, self.labels, self.owner = distances, labels, owner
        self.y = None if y is None else np.asarray(y)

    def known_again(
        self, distances: np.ndarray, given: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> list[str]:
        """Warnings about suspects with all distances and labels of an unrelated model.

        Where different models can have these in common, as labels of an easy task, so can a
        suspect: nothing is said if two unrelated models have, or for a single distance.
        """
        if not self.labels and self.distances[0].size < 2:
            return []
        among = [
            self._equal(d, self._labels_of(self.labels, i)) for i, d in enumerate(self.distances)
        ]
        if np.sum(among) > len(self.distances):
            return []
        return [
            judged_again(name, "has the same distances and labels as", int(j))
            for i, name in enumerate(names)
            for j in np.flatnonzero(self._equal(distances[i], self._labels_of(given, i)))
        ]

    def _equal(self, distances: np.ndarray, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which unrelated models have all distances and labels of one model: (n_unrelated,)."""
        m = len(self.distances)
        near = np.isclose(self.distances, distances, rtol=SAME, atol=SAME, equal_nan=True)
        equal = [near.reshape(m, -1), *(of == labels[asked] for asked, of in self.labels.items())]
        return np.all([each.all(axis=1) for each in equal], axis=0)

    @staticmethod
    def _labels_of(labels: Mapping[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
        return {asked: of[i] for asked, of in labels.items()}

    def unlike(self, given: Mapping[str, np.ndarray], names: Sequence[str]) -> list[str]:
        """Warnings about suspects by the labels that they gave to the same questions."""
        if "points" in self.labels and self.y is not None:
            truth = self.y[: given["points"].shape[1]]
            of_suspects = (given["points"] == truth).mean(axis=1)
            of_unrelated = (self.labels["points"] == truth).mean(axis=1)
            return unlike("accuracy", of_suspects, of_unrelated, names)
        for asked, theirs in self.labels.items():
            n = len(theirs)
            among = (_agreement(theirs, theirs) * n - 1) / (n - 1)  # with the others
            ours = _agreement(given[asked], theirs)
            if asked not in self.owner:
                return unlike("agreement with them", ours, among, names)
            # On such questions copies agree with the owner's model and little with others.
            owner = self.owner[asked][None]
            among = np.maximum(among, _agreement(theirs, owner))
            ours = np.maximum(ours, _agreement(given[asked], owner))
            what = "agreement with them or the owner's model"
            return unlike(what, np.minimum(ours, among.max()), among, names)
        return []


def _agreement(labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean share of labels in common with other models: (n_models,)."""
    return np.array([np.mean(row == others) for row in labels])
