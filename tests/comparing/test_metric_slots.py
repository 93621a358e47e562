# SPDX-License-Identifier: BSD-3-Clause
"""zest_distances in every slot that takes a callable metric, next to the matrix it stands for."""

import inspect
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.cluster import hierarchy
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS, AgglomerativeClustering
from sklearn.impute import KNNImputer
from sklearn.manifold import MDS, TSNE, Isomap, trustworthiness
from sklearn.metrics import (
    pairwise_distances,
    pairwise_distances_argmin_min,
    pairwise_distances_chunked,
    silhouette_samples,
    silhouette_score,
)
from sklearn.neighbors import (
    BallTree,
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    LocalOutlierFactor,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    kneighbors_graph,
    radius_neighbors_graph,
)
from threadpoolctl import threadpool_limits

from skzest import zest_distances


def families():
    """Signatures of 28 models of three families; two of them lie close to a third."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 12))
    family = np.repeat([0, 1, 2], [10, 9, 9])
    S = centres[family] + 0.3 * rng.normal(size=(28, 12))
    S[1:3] = 2 * S[0] + 1e-5 * rng.normal(size=(2, 12))
    return S * np.exp(0.5 * rng.normal(size=(28, 1))), family


S, family = families()
picture = np.random.default_rng(1).normal(size=(28, 2))
RADIUS = 0.12


def among(X, values):
    """Of the values of all models, those of every second one if X is every second one."""
    return values[:: len(values) // len(X)]


new_mds = "metric_params" in inspect.signature(MDS).parameters  # scikit-learn >= 1.8
small_tsne = {"init": "random", "random_state": 0, "perplexity": 5, "max_iter": 250}

# A slot takes (X, metric, metric_params) and answers in numbers. It is put to the test twice:
# with the signatures and the function, and with the matrix and "precomputed".
ESTIMATORS = {
    "nearest neighbours": lambda X, **m: (
        NearestNeighbors(algorithm="brute", **m).fit(X).kneighbors(X)
    ),
    "radius neighbours": lambda X, **m: (
        NearestNeighbors(algorithm="brute", radius=RADIUS, **m)
        .fit(X)
        .radius_neighbors_graph(mode="distance")
        .toarray()
    ),
    "k-neighbours classifier": lambda X, **m: (
        KNeighborsClassifier(algorithm="brute", weights="distance", **m)
        .fit(X, among(X, family))
        .predict_proba(X)
    ),
    "k-neighbours regressor": lambda X, **m: (
        KNeighborsRegressor(algorithm="brute", **m).fit(X, among(X, picture)).predict(X)
    ),
    "k-neighbours transformer": lambda X, **m: (
        KNeighborsTransformer(algorithm="brute", **m).fit_transform(X).toarray()
    ),
    "radius classifier": lambda X, **m: (
        RadiusNeighborsClassifier(algorithm="brute", radius=RADIUS, **m)
        .fit(X, among(X, family))
        .predict_proba(X)
    ),
    "local outlier factor": lambda X, **m: (
        LocalOutlierFactor(8, algorithm="brute", **m).fit(X).negative_outlier_factor_
    ),
    "DBSCAN": lambda X, **m: DBSCAN(algorithm="brute", eps=RADIUS, **m).fit(X).labels_,
    "OPTICS": lambda X, **m: OPTICS(algorithm="brute", **m).fit(X).reachability_,
    "HDBSCAN": lambda X, **m: HDBSCAN(copy=True, **m).fit(X).probabilities_,
    "Isomap": lambda X, **m: np.abs(
        Isomap(neighbors_algorithm="brute", n_neighbors=len(X) // 2 + 2, **m).fit_transform(X)
    ),
    "t-SNE, exact": lambda X, **m: TSNE(method="exact", **small_tsne, **m).fit_transform(X),
}
if new_mds:
    ESTIMATORS["MDS"] = lambda X, **m: MDS(
        n_init=1, init="random", random_state=0, **m
    ).fit_transform(X)

FUNCTIONS = {
    "pairwise_distances": lambda X, metric, **params: pairwise_distances(
        X, metric=metric, **params
    ),
    "pairwise_distances, two jobs": lambda X, metric, **params: pairwise_distances(
        X, metric=metric, n_jobs=2, **params
    ),
    "pairwise_distances_chunked": lambda X, metric, **params: np.vstack(
        list(pairwise_distances_chunked(X, metric=metric, **params))
    ),
    "silhouette_score": lambda X, metric, **params: silhouette_score(
        X, among(X, family), metric=metric, **params
    ),
    "silhouette_samples": lambda X, metric, **params: silhouette_samples(
        X, among(X, family), metric=metric, **params
    ),
}

# These take a metric and no parameters for it: functools.partial carries them.
BARE = {
    "agglomeration": lambda X, metric: (
        AgglomerativeClustering(3, metric=metric, linkage="average", compute_distances=True)
        .fit(X)
        .distances_
    ),
    "agglomeration on a graph": lambda X, metric: (
        AgglomerativeClustering(
            3,
            metric=metric,
            linkage="average",
            compute_distances=True,
            connectivity=np.ones((len(X), len(X))),
        )
        .fit(X)
        .distances_
    ),
    "trustworthiness": lambda X, metric: trustworthiness(X, among(X, picture), metric=metric),
    "k-neighbours graph": lambda X, metric: kneighbors_graph(
        X, 4, metric=metric, mode="distance"
    ).toarray(),
    "radius graph": lambda X, metric: radius_neighbors_graph(
        X, RADIUS, metric=metric, mode="distance"
    ).toarray(),
}

# SciPy and trees do not know "precomputed": what they should say is written out.
ONE_SIDED = {
    "pdist": (pdist, squareform),
    "cdist": (lambda X, metric: cdist(X, X[:7], metric), lambda D: D[:, :7]),
    "linkage": (
        lambda X, metric: hierarchy.linkage(X, "average", metric=metric),
        lambda D: hierarchy.linkage(squareform(D), "average"),
    ),
    "fclusterdata": (
        lambda X, metric: hierarchy.fclusterdata(
            X, 3, criterion="maxclust", metric=metric, method="average"
        ),
        lambda D: hierarchy.fcluster(
            hierarchy.linkage(squareform(D), "average"), 3, criterion="maxclust"
        ),
    ),
    "pairwise_distances_argmin_min": (
        lambda X, metric: pairwise_distances_argmin_min(X, X[3:9], metric=metric),
        lambda D: (D[:, 3:9].argmin(axis=1), D[:, 3:9].min(axis=1)),
    ),
}


def with_params(slot):
    return lambda X, metric: slot(X, metric=metric.func, metric_params=metric.keywords)


def with_keywords(slot):
    return lambda X, metric: slot(X, metric=metric.func, **metric.keywords)


def next_to_matrix(slot):
    return slot, lambda D: slot(D, metric="precomputed")


def whole_row_imputed(D):
    """The rows that KNNImputer(n_neighbors=2) fills with: the mean of the two nearest."""
    donors = np.argsort(D[3, holes_free], kind="stable")[:2]
    return S[holes_free][donors, :4].mean(axis=0)


holes_free = np.delete(np.arange(28), 3)
torn = S.copy()
torn[3, :4] = np.nan


def for_imputer(x, y, missing_values):
    """KNNImputer passes on its own parameter; here missing is always NaN."""
    return zest_distances(x, y)


def barnes_hut(X, metric):
    with threadpool_limits(1):  # for forty points threads only wait for each other
        return TSNE(metric=metric, **small_tsne).fit_transform(X)


TREE = {"algorithm": "ball_tree", "leaf_size": 2}
TREES = {
    "nearest neighbours": lambda X, metric: (
        NearestNeighbors(**TREE, metric=metric.func, metric_params=metric.keywords)
        .fit(X)
        .kneighbors(X)
    ),
    "radius neighbours": lambda X, metric: (
        RadiusNeighborsClassifier(
            **TREE, radius=RADIUS, metric=metric.func, metric_params=metric.keywords
        )
        .fit(X, among(X, family))
        .predict_proba(X)
    ),
    "local outlier factor": lambda X, metric: (
        LocalOutlierFactor(8, **TREE, metric=metric.func, metric_params=metric.keywords)
        .fit(X)
        .negative_outlier_factor_
    ),
    "t-SNE, Barnes-Hut": lambda X, metric: barnes_hut(X, metric=metric),
}
SAME_IN_BRUTE_FORCE = {
    "nearest neighbours": ESTIMATORS["nearest neighbours"],
    "radius neighbours": ESTIMATORS["radius classifier"],
    "local outlier factor": ESTIMATORS["local outlier factor"],
    "t-SNE, Barnes-Hut": barnes_hut,
}

COSINE = partial(zest_distances)
ANGULAR = partial(zest_distances, distance="angular")
ALIGNED = partial(zest_distances, n_classes=3, alignment="greedy")


def slots():
    """(slot, what the matrix says, metric) of every test."""
    for metric, which in [(COSINE, "cosine"), (ANGULAR, "angular"), (ALIGNED, "aligned")]:
        for name, slot in (ESTIMATORS | FUNCTIONS).items():
            yield pytest.param(*next_to_matrix(slot), metric, id=f"{name}, partial, {which}")
        for name, slot in BARE.items():
            yield pytest.param(*next_to_matrix(slot), metric, id=f"{name}, {which}")
        for name, pair in ONE_SIDED.items():
            yield pytest.param(*pair, metric, id=f"{name}, {which}")
    for metric, which in [(COSINE, "plain"), (ANGULAR, "angular")]:
        for slots, how in [(ESTIMATORS, with_params), (FUNCTIONS, with_keywords)]:
            for name, slot in slots.items():
                _, expected = next_to_matrix(slot)
                yield pytest.param(how(slot), expected, metric, id=f"{name}, keywords, {which}")
    for name, slot in TREES.items():
        _, expected = next_to_matrix(SAME_IN_BRUTE_FORCE[name])
        yield pytest.param(slot, expected, ANGULAR, id=f"{name}, ball tree, angular")
    yield pytest.param(
        lambda X, metric: BallTree(X, metric=metric, leaf_size=2).query(X, 5)[0],
        lambda D: np.sort(D, axis=1)[:, :5],
        ANGULAR,
        id="ball tree, angular",
    )
    yield pytest.param(
        lambda X, metric: KNNImputer(n_neighbors=2, metric=for_imputer).fit_transform(torn)[3, :4],
        lambda D: whole_row_imputed(COSINE(torn)),
        COSINE,
        id="imputer, cosine",
    )


def numbers(answer):
    """The output of a slot, as a tuple of arrays."""
    return answer if isinstance(answer, tuple) else (answer,)


@pytest.mark.parametrize(("slot", "from_matrix", "metric"), list(slots()))
def test_metric_slot_agrees_with_the_matrix(slot, from_matrix, metric):
    X = S[::2] if metric is ALIGNED else S  # alignment of single pairs takes its time
    answers, expected = numbers(slot(X, metric=metric)), numbers(from_matrix(metric(X)))
    assert len(answers) == len(expected)
    for answer, number in zip(answers, expected):
        assert np.ptp(number) > 0 or np.ndim(number) == 0
        # The matrix and the pairs differ by rounding; t-SNE magnifies that a little.
        assert_allclose(answer, number, rtol=1e-6, atol=1e-9)


def test_ball_tree_with_cosine_misses_neighbours():
    # The reason for all the algorithm="brute" above, and for distance="angular".
    X = np.random.default_rng(0).normal(size=(300, 12))
    truth = NearestNeighbors(n_neighbors=6, metric="precomputed").fit(zest_distances(X))
    truth = truth.kneighbors()[1]
    tree = NearestNeighbors(n_neighbors=6, metric=zest_distances)  # algorithm="auto"
    assert tree.fit(X)._fit_method == "ball_tree"
    assert np.any(np.sort(tree.kneighbors()[1]) != np.sort(truth))
    tree.set_params(metric_params={"distance": "angular"})
    assert np.all(np.sort(tree.fit(X).kneighbors()[1]) == np.sort(truth))
