# SPDX-License-Identifier: BSD-3-Clause
"""Each baseline on a case that was worked out by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skzest import CallableQuery, LimeSignatureTransformer, TabularMasker
from skzest.baselines import (
    boundary_distances,
    boundary_points,
    copy_label_distances,
    correlation_distances,
    ddv_distances,
    ddv_pairs,
    mistake_distances,
    passthrough_distances,
    prediction_distances,
    victim_mistakes,
    weight_distances,
)
from skzest.baselines._modeldiff import decision_distances


def _logits(func):
    return CallableQuery(func, output="logits")


def _says(labels, classes=(0, 1, 2)):
    """A model that answers row i, which holds the number i, with labels[i]."""
    return CallableQuery(
        lambda X: np.array(labels)[X[:, 0].astype(int)], output="predict", classes=classes
    )


ROWS = np.arange(6.0)[:, None]


# ---------------------------------------------------------------- the same copies

# One point (1, 1) with fill 0 and all four masks: copies are the masks themselves.
POINT = np.array([[1.0, 1.0], [1.0, 1.0]])


def _corners(*models):
    masker = TabularMasker(fill=0.0)
    corners = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=bool)
    lime = LimeSignatureTransformer(
        POINT, n_reference=1, n_samples=4, masker=masker, sampling=lambda k, n, rng: corners
    )
    return lime.fit(models).plan_


def test_passthrough_of_main_effect_and_interaction():
    # Scores [s, -s]: over the four copies, x has (1, 1, -1, -1) / 2 about its mean, y has
    # (1, -1, 1, -1) / 2 and 4 * (x - 1/2) * (y - 1/2) = (1, -1, -1, 1).
    def model(a, b, c):
        def scores(X):
            x, y = X[:, 0], X[:, 1]
            s = a * x + b * y + c * 2 * (x - 0.5) * (y - 0.5)
            return np.stack([s, -s], axis=1)

        return _logits(scores)

    zoo = [model(1, 0, 0), model(0, 1, 0), model(1, 1, 0), model(3, 0, 4), model(-1, 0, 0)]
    D = passthrough_distances(zoo, _corners(*zoo))
    assert_allclose(D[0], [0, 1, 1 - np.sqrt(0.5), 1 - 3 / 5, 2], atol=1e-14)


def test_copy_labels_differ_at_one_corner_of_four():
    def larger(threshold):
        return _logits(lambda X: np.stack([X.sum(axis=1) - threshold, 0 * X[:, 0]], axis=1))

    zoo = [larger(0.5), larger(1.5), larger(2.5)]  # yes to 3, to 1, to none of the copies
    D = copy_label_distances(zoo, _corners(*zoo))
    assert_array_equal(D, [[0, 0.5, 0.75], [0.5, 0, 0.25], [0.75, 0.25, 0]])


# ---------------------------------------------------------------- points


def test_predictions_differ_at_two_points_of_six():
    zoo = [_says([0, 0, 1, 1, 2, 2]), _says([0, 1, 1, 1, 2, 0]), _says([0, 0, 1, 1, 2, 2])]
    assert_allclose(prediction_distances(zoo, ROWS)[0], [0, 1 / 3, 0])


def test_mistakes_are_compared_and_nothing_else():
    y = [0, 0, 1, 1, 2, 2]
    victim = _says([0, 1, 1, 2, 2, 0])  # wrong at 1, 3, 5
    copy, good, bad = _says([1, 1, 0, 2, 0, 1]), _says(y), _says([0, 1, 1, 1, 2, 1])
    assert_array_equal(victim_mistakes(victim, ROWS, y), [1, 3, 5])
    zoo = [good, victim, copy, bad]
    D = mistake_distances(zoo, ROWS, y, victim=1)
    assert_allclose(D[1], [1, 0, 1 / 3, 2 / 3])
    assert_allclose(D[0, 3], 2 / 3)
    assert_allclose(mistake_distances(zoo, ROWS, y, victim=1, n_points=2)[1], [1, 0, 0, 0.5])


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        (None, TypeError, "y is missing"),
        ([0, 1], ValueError, r"y has shape \(2,\); expected \(6,\)"),
        ([0, 0, 1, 1, 2, 2], ValueError, "right at all points"),
        (list("aabbcc"), ValueError, "Give y in the labels of the models"),
    ],
    ids=["none", "short", "right", "text"],
)
def test_mistakes_without_use_are_refused(y, error, match):
    with pytest.raises(error, match=match):
        mistake_distances([_says([0, 0, 1, 1, 2, 2])], ROWS, y)


@pytest.mark.parametrize("function", [mistake_distances, boundary_distances, ddv_distances])
def test_victim_must_be_among_the_models(function):
    y = {"y": [1] * 6} if function is mistake_distances else {}
    with pytest.raises(ValueError, match="victim=2 must be a position from 0 to 1"):
        function([_says([0, 1, 2, 0, 1, 2])] * 2, ROWS, **y, victim=2)


def test_correlation_of_samples_by_hand():
    # Gram matrices of one-hot answers: which samples have one label. The second finds 0 and 1
    # alike, the third all; of the 9 entries that is 2 and 6 more than the first has.
    def one_hot(labels):
        return CallableQuery(lambda X: np.eye(3)[np.array(labels)[X[:, 0].astype(int)]])

    zoo = [one_hot([0, 1, 2]), one_hot([2, 2, 1]), one_hot([1, 1, 1])]
    D = correlation_distances(zoo, ROWS[:3])
    assert_allclose(D, np.array([[0, 2, 6], [2, 0, 4], [6, 4, 0]]) / 9)


def test_correlation_takes_the_softmax_of_logits():
    from skzest.baselines import ask_points

    P = np.random.default_rng(0).dirichlet([0.3, 0.3, 0.3], size=(2, 6))
    ask = [CallableQuery(lambda X, p=p: p[X[:, 0].astype(int)]) for p in P]
    log = [_logits(lambda X, p=p: np.log(p[X[:, 0].astype(int)]) + 7) for p in P]
    D = correlation_distances(ask, ROWS)
    assert D[0, 1] > 0.1
    assert_allclose(correlation_distances(ask_points(log, ROWS)), D, atol=1e-12)


def test_correlation_is_summed_over_blocks(monkeypatch):
    rng = np.random.default_rng(1)
    tables = rng.dirichlet([1, 1, 1], size=(3, 6))
    zoo = [CallableQuery(lambda X, p=p: p[X[:, 0].astype(int)]) for p in tables]
    D = correlation_distances(zoo, ROWS)
    monkeypatch.setattr("skzest.baselines._correlation._CELLS", 1)
    assert_allclose(correlation_distances(zoo, ROWS), D, rtol=1e-14)


# ---------------------------------------------------------------- near the boundary


def _step(at, column=0):
    return CallableQuery(lambda X: (X[:, column] > at) * 1, output="predict", classes=[0, 1])


def test_bisection_closes_in_on_the_boundary():
    X = np.array([[0.0, 5.0], [1.0, 5.0]])
    near = boundary_points(_step(0.3), X, 2, n_steps=5)
    # 0.3 lies between 9/32 and 10/32.
    assert_allclose(np.sort(near[:, 0]), [9 / 32, 10 / 32])
    assert_array_equal(near[:, 1], 5)


@pytest.mark.parametrize("n_steps", [1, 3, 6])
def test_pairs_end_on_both_sides_and_near(n_steps):
    X = np.random.default_rng(0).uniform(-1, 1, size=(40, 3))
    near = boundary_points(_step(0.2), X, 60, n_steps=n_steps)
    assert near.shape == (60, 3)
    a, b = near[::2], near[1::2]
    assert ((a[:, 0] > 0.2) != (b[:, 0] > 0.2)).all()
    assert (np.abs(a - b) <= 2 * 0.5**n_steps).all()


def test_pairs_are_of_all_classes():
    from skzest.baselines._boundary import _pairs_of_classes

    labels = np.array([2, 0, 2, 1, 0, 2])
    i, j = _pairs_of_classes(labels, 500, np.random.default_rng(0))
    assert (labels[i] != labels[j]).all()
    assert set(zip(i, j)) == {(a, b) for a in range(6) for b in range(6) if labels[a] != labels[b]}


def test_bytes_stay_bytes():
    X = np.array([[0], [255]], dtype=np.uint8)
    near = boundary_points(_step(99), X, 2, n_steps=9)
    assert near.dtype == np.uint8
    assert set(near.ravel()) == {99, 100}


def test_boundary_distance_counts_the_ends_that_lie_between():
    X = np.array([[0.0], [1.0]])
    zoo = [_step(0.5), _step(0.51), _step(0.7), _step(0.5)]
    # Ends of the victim's segment after two steps: 0.5 and 0.75.
    assert_array_equal(boundary_distances(zoo, X, n_steps=2)[0], [0, 0, 0, 0])
    shifted = [_step(0.6), _step(0.7), _step(0.8), _step(0.2)]  # 0.5 and 0.75 again
    assert_array_equal(boundary_distances(shifted, X, n_steps=2)[0], [0, 0, 0.5, 0.5])


def test_one_class_has_no_boundary():
    with pytest.raises(ValueError, match="one class for all 2 points"):
        boundary_points(_step(7), np.array([[0.0], [1.0]]), 2)


@pytest.mark.parametrize("function", [boundary_distances, ddv_distances])
def test_texts_cannot_be_moved(function):
    with pytest.raises(TypeError, match="which must be arrays of numbers; got texts"):
        function([lambda X: np.ones((len(X), 2)) / 2], ["a b", "c"])


# ---------------------------------------------------------------- decision distance vectors


def test_decision_distances_by_hand():
    a = np.array([[1.0, 0.0], [1.0, 0.0], [3.0, 4.0], [0.0, 0.0], [0.0, 0.0]])
    b = np.array([[0.0, 2.0], [-1.0, 0.0], [4.0, 3.0], [0.0, 0.0], [1.0, 0.0]])
    assert_allclose(decision_distances(a, b), [1, 2, 1 - 24 / 25, 0, 1])


def test_ddv_is_the_cosine_of_reactions(monkeypatch):
    # Two pairs, given: models answer with a direction for each of the four inputs.
    import skzest.baselines._modeldiff as modeldiff

    monkeypatch.setattr(modeldiff, "ddv_pairs", lambda *args, **params: ROWS[2:4])
    right, up, left = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]

    def model(*answers):
        return CallableQuery(
            lambda X: np.array(answers)[X[:, 0].astype(int)], output="decision_function"
        )

    zoo = [
        model(right, right, up, right),  # reactions (1, 0)
        model(right, right, right, up),  # (0, 1)
        model(right, up, left, left),  # (2, 1)
    ]
    D = ddv_distances(zoo, ROWS[:2], response="decision_function")
    assert_allclose(D[0], [0, 1, 1 - 2 / np.sqrt(5)])
    assert_allclose(D[1, 2], 1 - 1 / np.sqrt(5))


def test_random_search_leads_away_and_stays_near():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(30, 6)), rng.normal(size=(6, 3))
    victim = _logits(lambda X: X @ W)

    def reached(**params):
        moved = ddv_pairs(victim, X, **params)
        assert (np.abs(moved - X) <= 0.1 * np.ptp(X, axis=0) + 1e-12).all()
        assert (moved <= X.max(axis=0)).all() and (moved >= X.min(axis=0)).all()
        Z = [Z - Z.mean(axis=1, keepdims=True) for Z in (X @ W, moved @ W)]
        return decision_distances(*Z).mean()

    assert reached(n_steps=1) < reached(n_steps=4) < reached(n_steps=30)


def test_whole_numbers_move_by_whole_numbers_within_the_radius():
    X = np.random.default_rng(0).integers(0, 256, size=(8, 4, 4, 3), dtype=np.uint8)
    moved = ddv_pairs(_logits(lambda X: X.reshape(len(X), -1)[:, :5] / 9), X, radius=0.03)
    assert moved.dtype == np.uint8
    assert 0 < np.abs(moved.astype(int) - X).max() <= 0.03 * 255


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"search": "ascent"}, ValueError, "search must be 'random' or 'gradient'; got 'ascent'"),
        ({"search": "gradient"}, TypeError, "needs a torch module; got CallableQuery"),
        ({"radius": 0.0}, ValueError, "radius must be positive"),
    ],
    ids=["search", "gradient", "radius"],
)
def test_pairs_that_cannot_be_made_are_refused(params, error, match):
    with pytest.raises(error, match=match):
        ddv_pairs(_logits(lambda X: X), np.eye(3), **params)


def test_gradient_search_beats_chance_and_leaves_the_module_alone():
    torch = pytest.importorskip("torch")
    from skzest import TorchQuery

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4))
    query = TorchQuery(net.eval())
    X = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
    before = [p.clone() for p in net.parameters()]
    distances = {}
    for search in ("random", "gradient"):
        moved = ddv_pairs(query, X, search=search, n_steps=10)
        assert moved.dtype == np.float32
        assert (np.abs(moved - X) <= 0.1 * np.ptp(X, axis=0) + 1e-6).all()
        with torch.no_grad():
            Z = [net(torch.as_tensor(x)).numpy() for x in (X, moved)]
        Z = [z - z.mean(axis=1, keepdims=True) for z in Z]
        distances[search] = decision_distances(*Z).mean()
    assert distances["gradient"] > 1.2 * distances["random"]
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), before))
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    D = ddv_distances([query, query], X, search="gradient", n_steps=3)
    assert_array_equal(D, 0)


def test_gradient_with_respect_to_bytes_is_refused():
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(3, 2).eval()
    with pytest.raises(TypeError, match=r"these are uint8\. Pass floats"):
        ddv_pairs(net, np.eye(3, dtype=np.uint8), search="gradient")


# ---------------------------------------------------------------- weights


def _linear(coef, intercept, classes=(0, 1, 2)):
    model = LogisticRegression()
    model.coef_, model.intercept_ = np.array(coef, float), np.array(intercept, float)
    model.classes_ = np.array(classes)
    return model


EYE = [[1, 0], [0, 1], [0, 0]]


def test_weights_of_linear_models_by_hand():
    zoo = [_linear(EYE, [0, 0, 0]), _linear(EYE, [0, 0, 2]), _linear(np.negative(EYE), [0, 0, 0])]
    assert_allclose(weight_distances(zoo)[0], [0, 1 - 1 / np.sqrt(3), 2], atol=1e-15)
    assert_allclose(weight_distances(zoo, distance="euclidean")[0], [0, 2, np.sqrt(8)])


def test_weights_of_networks_by_hand():
    torch = pytest.importorskip("torch")

    def net(scale):
        module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
        with torch.no_grad():
            module[0].weight[:] = torch.tensor([[3.0, 4.0 * scale]])
            module[0].bias[:] = 0.0
            module[1].weight[:] = 0.0
        module[1].running_mean += 100.0 * scale  # a statistic, no weight
        return module.eval()

    zoo = [net(1.0), net(0.0), net(-1.0).state_dict()]
    assert_allclose(weight_distances(zoo)[0], [0, 1 - 3 / 5, 1 + 7 / 25], atol=1e-7)


def test_weights_of_perceptrons_and_pipelines():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(3, size=60)
    perceptrons = [MLPClassifier((4,), max_iter=2, random_state=s).fit for s in (0, 0, 1)]
    with pytest.warns(UserWarning, match="hasn't converged"):
        zoo = [fit(X, y) for fit in perceptrons]
    D = weight_distances(zoo)
    assert D[0, 1] == 0 < D[0, 2]
    pipes = [make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(X, y) for C in (0.1, 10)]
    assert weight_distances(pipes)[0, 1] > 0
    assert_array_equal(weight_distances(pipes), weight_distances([pipe[-1] for pipe in pipes]))


def test_weights_that_do_not_correspond_are_refused():
    torch = pytest.importorskip("torch")
    zoo = [torch.nn.Linear(3, 2), torch.nn.Linear(4, 2)]
    with pytest.raises(ValueError, match=r"'weight' is of shape \(2, 3\) in one and of shape"):
        weight_distances(zoo)
    with pytest.raises(ValueError, match=r"'bias' is of shape .* and missing in the other"):
        weight_distances([torch.nn.Linear(3, 2), torch.nn.Linear(3, 2, bias=False)])
    with pytest.raises(ValueError, match="have different classes"):
        weight_distances([_linear(EYE, [0, 0, 0]), _linear(EYE, [0, 0, 0], "abc")])
    rng = np.random.default_rng(0)
    forest = RandomForestClassifier(2).fit(rng.normal(size=(9, 2)), [0, 1, 2] * 3)
    with pytest.raises(TypeError, match=r"models\[0\] \(RandomForestClassifier\) has no weights"):
        weight_distances([forest, forest])
    with pytest.raises(TypeError, match="no floating weights"):
        weight_distances([{"steps": torch.tensor(3)}])


def test_weights_correspond_by_name_whatever_their_order():
    state = {"a": np.array([[1.0, 2.0]]), "b": np.array([-3.0])}
    turned = dict(reversed(list(state.items())))
    assert_allclose(weight_distances([state, turned]), 0, atol=1e-15)


def test_pairs_of_whole_numbers_of_few_values_move():
    X = np.random.default_rng(0).integers(0, 4, (40, 3))
    zoo = [
        LogisticRegression(C=C, max_iter=999).fit(X, X.sum(axis=1) > 4) for C in (0.01, 1.0, 9.0)
    ]
    pairs = ddv_pairs(zoo[0], X)
    assert set(np.unique(np.abs(pairs - X))) == {0, 1}
    assert np.isfinite(ddv_distances(zoo, X)).all()


@pytest.mark.parametrize("missing", [np.nan, None])
def test_labels_that_are_missing_are_refused(missing):
    X = np.arange(6.0)[:, None]
    model = LogisticRegression().fit(X, X[:, 0] > 2)
    y = np.array([0, 0, 0, 1, 1, missing], dtype=float if missing is not None else object)
    with pytest.raises(ValueError, match="lacks 1 of 6 labels"):
        victim_mistakes(model, X, y)
