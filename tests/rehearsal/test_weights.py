# SPDX-License-Identifier: BSD-3-Clause
"""Copies with changed weights."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

from skzest import TorchQuery
from skzest.rehearsal import rehearse, rehearse_weights
from skzest.rehearsal._weights import CHANGES

TREE = DecisionTreeClassifier(max_depth=3)
NETWORK = MLPClassifier((6,), tol=10.0, n_iter_no_change=3, random_state=0)
RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(60, 5)), np.arange(60) % 3


def test_pruned_keeps_the_largest_weights():
    weights = RNG.normal(size=(40, 5))
    pruned = CHANGES["pruned"](weights, np.random.default_rng(1))
    is_kept = pruned != 0
    assert 0.3 <= 1 - is_kept.mean() <= 0.7
    np.testing.assert_array_equal(pruned[is_kept], weights[is_kept])
    assert np.abs(weights[is_kept]).min() >= np.abs(weights[~is_kept]).max()


def test_rounded_takes_few_values_near_the_weights():
    weights = RNG.normal(size=(40, 5))
    for seed in range(5):
        rounded = CHANGES["rounded"](weights, np.random.default_rng(seed))
        assert 3 <= len(np.unique(rounded)) <= 16
        assert np.abs(rounded - weights).max() <= np.abs(weights).max() / 3 + 1e-12


def test_perturbed_moves_a_little():
    weights = RNG.normal(size=(400, 5))
    moved = CHANGES["perturbed"](weights, np.random.default_rng(0)) - weights
    assert 0.04 < moved.std() / weights.std() < 0.31


@pytest.mark.parametrize("change", CHANGES)
def test_constant_weights_are_no_trouble(change):
    assert np.isfinite(CHANGES[change](np.zeros((3, 3)), np.random.default_rng(0))).all()


@pytest.mark.parametrize(
    "owner",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        NETWORK,
        OneVsRestClassifier(LogisticRegression()),
        BaggingClassifier(NETWORK, 2, random_state=0),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        VotingClassifier([("tree", TREE), ("linear", LogisticRegression())], voting="soft"),
        GridSearchCV(make_pipeline(LogisticRegression()), {"logisticregression__C": [1.0]}, cv=2),
        # The weights of a step choose columns, and the last step takes no fewer.
        make_pipeline(SelectFromModel(LogisticRegression()), LogisticRegression()),
    ],
    ids=lambda owner: type(owner).__name__,
)
def test_copies_differ_and_the_owner_stays(owner):
    before = owner.fit(X, y).predict_proba(X)
    copies = rehearse_weights(owner, n_copies=6)
    assert all(np.any(copy.predict_proba(X) != before) for copy in copies)
    np.testing.assert_array_equal(owner.predict_proba(X), before)


def test_every_model_of_an_ensemble_is_changed():
    owner = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    [copy] = rehearse_weights(owner, changes=["pruned"], n_copies=1)
    assert all((part.coef_ == 0).any() for part in copy.estimators_)
    assert not any((part.coef_ == 0).any() for part in owner.estimators_)


def test_torch_modules_and_their_queries():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    copies = rehearse_weights(net, changes=["pruned"], n_copies=2)
    assert all((copy[0].weight == 0).any() for copy in copies)
    assert all(torch.equal(copy[0].bias, net[0].bias) for copy in copies)
    query = TorchQuery(net, preprocess=lambda x: 2 * x.float(), model_id="the owner")
    query.ask(torch.tensor(X), "logits")  # what was made for a session must not be copied
    [copy] = rehearse_weights(query, n_copies=1)
    assert isinstance(copy, TorchQuery) and copy.model_id is None and query.model_id == "the owner"
    assert not torch.equal(
        copy.ask(torch.tensor(X), "logits"), query.ask(torch.tensor(X), "logits")
    )
    assert all(torch.equal(now, then) for now, then in zip(net.parameters(), before))


@pytest.mark.parametrize(
    "owner",
    [
        RandomForestClassifier(2),
        SVC(kernel="linear"),  # has coef_, computed from what it keeps
        BaggingClassifier(NuSVC(nu=0.1, kernel="linear"), 2),
    ],
    ids=lambda owner: type(owner).__name__,
)
def test_models_without_weights_of_their_own_are_refused(owner):
    with pytest.raises(TypeError, match=r"has no weights to change: neither it nor.*rehearse"):
        rehearse_weights(owner.fit(X, y))
    assert len(rehearse(owner, X, n_copies=1)) == 1  # as the message advises


def test_what_is_refused():
    forest = RandomForestClassifier(2).fit(X, y)
    with pytest.raises(ValueError, match="Did you mean 'pruned'"):
        rehearse_weights(forest, changes=["prune"])
    with pytest.raises(ValueError, match=r"changes is empty. Give at least one of 'pruned'"):
        rehearse_weights(forest, changes=[])
    with pytest.raises(TypeError, match=r"Pass changes=\['pruned'\]"):
        rehearse_weights(forest, changes="pruned")
