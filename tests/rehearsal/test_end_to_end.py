# SPDX-License-Identifier: BSD-3-Clause
"""From a model to distances of suspects: texts, tables and torch modules."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skzest import TorchQuery
from skzest.rehearsal import candidate_questions, choose_questions, rehearse, rehearse_weights

RNG = np.random.default_rng(0)


def nearer(owner, others, points, copies, foreign=(), **params):
    """Distances of the owner's model, and of other models that did not choose."""
    candidates = candidate_questions(points, owner, n_candidates=150)
    questions = choose_questions(
        owner,
        candidates,
        copies=copies,
        foreign=foreign,
        unrelated=others[:-2],
        n_questions=16,
        **params,
    )
    return questions.distances([owner]), questions.distances(others[-2:])


@pytest.mark.parametrize("answers", ["label", "scores"])
def test_texts(answers):
    words = [f"w{i}" for i in range(30)]

    def texts(n):
        return [" ".join(RNG.choice(words, 6)) for _ in range(n)]

    def model():
        # Each learned something else.
        return make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts(40), [0, 1] * 20)

    owner, others, points = model(), [model() for _ in range(8)], texts(60)
    copies, foreign = (rehearse(m, points, n_copies=4) for m in (owner, others[0]))
    d_owner, d_others = nearer(owner, others[1:], points, copies, foreign, answers=answers)
    assert d_owner.max() < d_others.min()


def test_frames():
    def frame(n):
        return pd.DataFrame({"a": RNG.normal(size=n), "b": RNG.integers(0, 5, n)})

    def model():
        return DecisionTreeClassifier().fit(frame(40), [0, 1] * 20)

    owner, others, points = model(), [model() for _ in range(8)], frame(60)
    d_owner, d_others = nearer(owner, others, points, rehearse(owner, points, n_copies=6))
    assert d_owner.max() < d_others.min()


def test_torch_modules_with_a_function_that_trains_them():
    torch = pytest.importorskip("torch")

    def train(images, targets, seed):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(108, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)
        )
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        x, wanted = torch.as_tensor(images).float() / 255, torch.as_tensor(targets)
        for _ in range(40):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), wanted).backward()
            optimizer.step()
        return TorchQuery(net.eval(), preprocess=lambda x: x.float() / 255)

    def images(n):
        return RNG.integers(0, 256, size=(n, 6, 6, 3)).astype(np.uint8)

    def model(seed):
        return train(images(60), RNG.integers(0, 3, size=60), seed)

    owner, others, points = model(0), [model(seed) for seed in range(1, 8)], images(80)
    copies = rehearse(owner, points, learners=train, n_copies=6)
    copies += rehearse_weights(owner, n_copies=3)
    d_owner, d_others = nearer(owner, others, points, copies)
    assert d_owner.max() < d_others.min()
