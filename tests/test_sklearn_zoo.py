# SPDX-License-Identifier: BSD-3-Clause
"""A zoo of models goes through scikit-learn's tools as any samples do."""

from functools import partial

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from skzest import (
    ClassAligner,
    ImageMasker,
    LimeSignatureTransformer,
    ZestDistanceTransformer,
    zest_distances,
)
from skzest.testing import RowAsLinearModel

X, Y = load_digits(n_class=3, return_X_y=True)
X = X / 16
FAMILIES = np.repeat(["linear", "bayes", "trees"], 6)


def _models():
    """Three families of six; the second and third have ``__len__`` and would explode."""
    rng = np.random.default_rng(0)
    makers = {
        "linear": lambda: LogisticRegression(max_iter=30),
        "bayes": lambda: make_pipeline(StandardScaler(), GaussianNB(var_smoothing=0.1)),
        "trees": lambda: BaggingClassifier(DecisionTreeClassifier(max_depth=4), 5, random_state=0),
    }
    models = []
    for family in FAMILIES:
        chosen = rng.permutation(len(X))[:200]
        models.append(makers[family]().fit(X[chosen], Y[chosen]))
    return models


@pytest.fixture(scope="module")
def zoo():
    models = _models()
    assert len(models[6]) == 2, "a pipeline must be able to unpack"
    assert len(models[12]) == 5
    return models


MASKER = ImageMasker("grid", image_shape=(8, 8), segmenter_params={"shape": (3, 3)})
_lime = partial(LimeSignatureTransformer, reference=X, n_reference=5, n_samples=32, masker=MASKER)


def _containers(models):
    array = np.empty(len(models), dtype=object)
    array[:] = models
    yield "list", list(models)
    yield "tuple", tuple(models)
    yield "object array", array
    try:
        import pandas as pd
    except ImportError:
        return
    yield "Series", pd.Series(models, index=range(100, 100 + len(models)))


def test_zoos_of_every_kind_give_the_same_signatures(zoo):
    expected = _lime().fit_transform(zoo)
    for kind, models in _containers(zoo):
        assert_array_equal(_lime().fit_transform(models), expected, err_msg=kind)


def test_zoos_survive_train_test_split(zoo):
    signatures = _lime().fit_transform(zoo)
    for kind, models in _containers(zoo):
        train, test, places, _ = train_test_split(
            models, np.arange(18), test_size=6, random_state=0
        )
        assert len(train) == 12, kind
        assert len(test) == 6, kind
        assert_array_equal(_lime().fit(train).transform(train), signatures[places], err_msg=kind)


def test_zoos_survive_cross_val_score(zoo):
    pipeline = make_pipeline(_lime(), KNeighborsClassifier(1, metric="cosine"))
    for kind, models in _containers(zoo):
        scores = cross_val_score(pipeline, models, FAMILIES, cv=StratifiedKFold(3))
        assert scores.min() > 0.8, kind


def test_grid_search_over_the_reference_size_for_a_classifier_of_families(zoo):
    pipeline = Pipeline([("sig", _lime()), ("knn", KNeighborsClassifier(1, metric="cosine"))])
    grid = {"sig__n_reference": [3, 5], "sig__masker__fill": ["mean", "zero"]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(zoo, FAMILIES)
    assert search.best_score_ > 0.8
    assert len(search.cv_results_["params"]) == 4
    best = search.best_estimator_["sig"]
    assert best.reference is X, "a grid search must not copy the reference"
    assert best.n_components_ == 9 * best.n_reference


def _silhouette(estimator, models, y=None):
    signatures = estimator[:-1].transform(models)
    D = signatures if signatures.shape[0] == signatures.shape[1] else zest_distances(signatures)
    labels = estimator[-1].fit_predict(D)
    return silhouette_score(D, labels, metric="precomputed")


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search_over_the_reference_size_for_a_clusterer(zoo, n_jobs):
    pipeline = Pipeline(
        [
            ("sig", _lime()),
            ("dist", ZestDistanceTransformer()),
            ("cluster", AgglomerativeClustering(3, metric="precomputed", linkage="average")),
        ]
    )
    everything = [(np.arange(18), np.arange(18))]
    search = GridSearchCV(
        pipeline,
        {"sig__n_reference": [3, 5], "dist__distance": ["cosine", "angular"]},
        scoring=_silhouette,
        cv=everything,
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(zoo)
    assert search.best_score_ > 0.3
    assert len(set(search.best_estimator_["cluster"].labels_)) == 3


def test_grid_search_with_folds_scored_by_silhouette(zoo):
    shuffled = np.random.default_rng(0).permutation(18)
    models = [zoo[i] for i in shuffled]
    pipeline = make_pipeline(
        _lime(), AgglomerativeClustering(3, metric=zest_distances, linkage="average")
    )
    search = GridSearchCV(
        pipeline,
        {"limesignaturetransformer__n_reference": [3, 5]},
        scoring=_silhouette,
        cv=KFold(2),
        error_score="raise",
    ).fit(models)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_feature_union_puts_two_signatures_side_by_side(zoo):
    union = FeatureUnion([("logit", _lime()), ("label", _lime(response="label"))])
    both = union.fit_transform(zoo)
    assert_array_equal(both[:, : both.shape[1] // 2], _lime().fit_transform(zoo))
    assert union.get_feature_names_out()[0].startswith("logit__0__")


def test_pipeline_ends_in_a_precomputed_clusterer(zoo):
    pipeline = make_pipeline(
        _lime(),
        ZestDistanceTransformer(),
        AgglomerativeClustering(3, metric="precomputed", linkage="average"),
    )
    labels = pipeline.fit_predict(zoo)
    direct = AgglomerativeClustering(3, metric="precomputed", linkage="average").fit_predict(
        zest_distances(_lime().fit_transform(zoo))
    )
    assert_array_equal(labels, direct)


def test_aligner_reads_the_number_of_classes_off_the_names(zoo):
    pytest.importorskip("pandas")
    pipeline = make_pipeline(_lime(), ClassAligner()).set_output(transform="pandas")
    aligned = pipeline.fit_transform(zoo)
    assert aligned.shape == (18, 3 * pipeline[0].n_components_)


def test_pandas_output_has_names(zoo):
    pd = pytest.importorskip("pandas")
    lime = _lime().set_output(transform="pandas")
    frame = lime.fit_transform(pd.Series(zoo, index=[f"model {i}" for i in range(18)]))
    assert_array_equal(frame.columns, lime.get_feature_names_out())
    if parse_version(sklearn.__version__) >= parse_version("1.7"):  # 1.6: that of frames only
        assert list(frame.index[:2]) == ["model 0", "model 1"]


def test_signatures_of_different_questions_do_not_meet(zoo):
    pytest.importorskip("pandas")
    from skzest import DesignMismatchError

    one = _lime().set_output(transform="pandas").fit_transform(zoo)
    other = _lime(random_state=1).set_output(transform="pandas").fit_transform(zoo)
    with pytest.raises(DesignMismatchError, match="different questions"):
        zest_distances(one, other)


def test_html_representation_names_the_estimator(zoo):
    html = clone(_lime())._repr_html_()
    assert "LimeSignatureTransformer" in html


# --- scikit-learn's own checks ---------------------------------------------------------------

ROWS = np.random.default_rng(0).normal(size=(12, 4))


def _of_rows(**params):
    return LimeSignatureTransformer(
        ROWS, n_samples=16, adapter=RowAsLinearModel(4), n_reference=3, **params
    )


@parametrize_with_checks(
    [
        _of_rows(),
        _of_rows(surrogate="passthrough"),
        _of_rows(response="raw", kernel_width=0.5),
    ]
)
def test_estimators_keep_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [_lime(), ImageMasker()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
def test_estimators_of_no_table_keep_what_applies_to_them(estimator, check):
    check(type(estimator).__name__, estimator)
