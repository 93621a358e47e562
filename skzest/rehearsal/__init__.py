# SPDX-License-Identifier: BSD-3-Clause
"""Rehearsal: the owner steals their own model, and learns which questions find copies.

:func:`rehearse` and :func:`rehearse_weights` make copies, :func:`candidate_questions` makes a
pool of questions, and :func:`choose_questions` keeps those that tell copies from other models.
"""

from ._ask_pool import ask_named_pool, ask_pool, choose_questions
from ._candidates import Candidates, candidate_questions
from ._copies import rehearse
from ._discriminant import Discriminant, discriminate
from ._left_out import LeftOutQuestions, left_out_questions
from ._pool import PoolAnswers
from ._questions import RehearsedQuestions
from ._weights import rehearse_weights

__all__ = [
    "Candidates",
    "Discriminant",
    "LeftOutQuestions",
    "PoolAnswers",
    "RehearsedQuestions",
    "ask_named_pool",
    "ask_pool",
    "candidate_questions",
    "choose_questions",
    "discriminate",
    "left_out_questions",
    "rehearse",
    "rehearse_weights",
]
