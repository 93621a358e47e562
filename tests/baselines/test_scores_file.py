# SPDX-License-Identifier: BSD-3-Clause
"""Answers in files: what is saved comes back, and nothing is read wrongly."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skzest import CallableQuery, DesignMismatchError, LimeSignatureTransformer
from skzest.baselines import Scores, ask_copies, passthrough_distances, plan_of_points

POINTS = np.random.default_rng(0).normal(size=(8, 3))
RESPONSES = ("label", "predict_proba", "logit", "raw")


def model(seed, classes=(0, 1, 2)):
    weights = np.random.default_rng(seed).normal(size=(3, len(classes)))

    def probabilities(X):
        powers = np.exp(np.asarray(X) @ weights)
        return powers / powers.sum(axis=1, keepdims=True)

    return CallableQuery(probabilities, output="predict_proba", classes=classes)


def logits(seed):
    weights = np.random.default_rng(seed).normal(size=(3, 2))
    return CallableQuery(lambda X: np.asarray(X) @ weights, output="logits", classes=[0, 2])


def zoo(response):
    """Three models, one of which lacks a class."""
    if response == "raw":
        return [logits(seed) for seed in range(3)]
    return [model(0), model(1), model(2, classes=(0, 2))]


@pytest.fixture
def plan():
    return plan_of_points(POINTS, "predict_proba")


@pytest.fixture
def saved(plan, tmp_path):
    path = tmp_path / "answers.npz"
    ask_copies(zoo("predict_proba"), plan).save(path)
    return path


def changed(path, **fields):
    """The file with other fields: the work of a stranger."""
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **arrays | fields)
    return path


@pytest.mark.parametrize("response", RESPONSES)
def test_answers_of_every_kind_come_back(response, tmp_path):
    plan = plan_of_points(POINTS, response)
    scores = ask_copies(zoo(response), plan)
    scores.save(tmp_path / "answers")  # the name stays as it is
    again = Scores.load(tmp_path / "answers", plan)
    assert_array_equal(again.values, scores.values)
    assert_array_equal(again.classes, scores.classes)
    assert_array_equal(again.constant, scores.constant)
    assert again.plan.digest == scores.plan.digest == plan.digest


@pytest.mark.parametrize(
    "classes",
    [np.array(["no", "yes"], dtype=object), np.array(["no", "yes"]), np.array([0.5, 1.5])],
    ids=["strings as objects", "strings", "floats"],
)
def test_labels_come_back(classes, plan, tmp_path):
    ask_copies([model(0, classes)], plan).save(tmp_path / "answers.npz")
    assert Scores.load(tmp_path / "answers.npz", plan).classes.tolist() == classes.tolist()


def test_answers_about_masked_copies_are_loaded_with_either_plan(tmp_path):
    plan = LimeSignatureTransformer(POINTS, n_samples=16).fit([model(0)]).plan_
    scores = ask_copies([model(0), model(1)], plan)
    scores.save(tmp_path / "answers.npz")
    for asked in (plan, scores.plan):
        again = Scores.load(tmp_path / "answers.npz", asked)
        assert_array_equal(passthrough_distances(again), passthrough_distances(scores))


def test_file_holds_neither_questions_nor_pickles(saved):
    with np.load(saved, allow_pickle=False) as archive:
        assert set(archive.files) == {"values", "classes", "constant", "digest", "format"}
        assert all(archive[name].size for name in archive.files)


def test_labels_that_a_file_cannot_keep_are_refused_before_it_is_written(plan, tmp_path):
    labels = np.empty(2, dtype=object)
    labels[:] = [("a", 1), ("b", 2)]
    with pytest.raises(TypeError, match=r"a file cannot keep them.*of one kind, such as Call"):
        ask_copies([model(0, labels)], plan).save(tmp_path / "answers.npz")
    assert not (tmp_path / "answers.npz").exists()
    ask_copies([model(0, [str(label) for label in labels])], plan).save(tmp_path / "answers.npz")


def test_answers_to_other_questions_are_refused(saved, plan):
    other = plan_of_points(POINTS + 1, "predict_proba")
    with pytest.raises(DesignMismatchError, match=rf"\({other.digest[:8]}\). Pass the plan that"):
        Scores.load(saved, other)
    with pytest.raises(TypeError, match="plan must be a QueryPlan"):
        Scores.load(saved, POINTS)
    assert len(Scores.load(saved, plan)) == 3


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("values", lambda v: v * 2),
        ("values", lambda v: -v),
        ("values", lambda v: v * np.inf),
        ("values", lambda v: v * np.nan),
        ("values", lambda v: np.where(np.arange(8)[:, None] == 3, np.nan, v)),
        ("values", lambda v: v[:, :5]),
        ("values", lambda v: v[:2]),
        ("values", lambda v: v.astype("<f4")),
        ("values", lambda v: v + 0j),
        ("values", lambda v: v.astype(str)),
        ("classes", lambda v: v * 0),
        ("classes", lambda v: v[:, None]),
        ("classes", lambda v: v[:0]),
        ("classes", lambda v: v + 0j),
        ("constant", lambda v: v.astype(int)),
        ("constant", lambda v: v[:, None]),
        ("constant", lambda v: v[:0]),
    ],
)
def test_fields_that_do_not_fit_are_named(saved, plan, field, change):
    with np.load(saved) as archive:
        value = change(archive[field])
    with pytest.raises(ValueError, match=rf"answers.npz' is damaged: {field}.*\. Ask for a new"):
        Scores.load(changed(saved, **{field: value}), plan)


def test_labels_are_one_hot(tmp_path):
    plan = plan_of_points(POINTS, "label")
    ask_copies([model(0)], plan).save(tmp_path / "answers.npz")
    with np.load(tmp_path / "answers.npz") as archive:
        values = archive["values"]
    for wrong in (np.full_like(values, 1 / 3), np.ones_like(values), np.zeros_like(values)):
        with pytest.raises(ValueError, match="damaged: values: of model 0"):
            Scores.load(changed(tmp_path / "answers.npz", values=wrong), plan)


class Bomb:
    def __reduce__(self):
        return print, ("BOOM",)


def test_other_files_are_refused_and_run_nothing(saved, plan, capsys):
    with pytest.raises(ValueError, match=r"has format 2; this version of skzest reads 1"):
        Scores.load(changed(saved, format=np.array(2)), plan)
    changed(saved, format=np.array(1), classes=np.array([Bomb()] * 3, dtype=object))
    with pytest.raises(ValueError, match="does not hold answers"):
        Scores.load(saved, plan)
    plan.save(saved)
    with pytest.raises(ValueError, match=r"it has no values, .* skzest answer write them\."):
        Scores.load(saved, plan)
    saved.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="does not hold answers: it is not an archive"):
        Scores.load(saved, plan)
    assert "BOOM" not in capsys.readouterr().out


def test_a_changed_byte_is_harmless_or_a_value_error_that_names_the_file(saved, plan):
    content, expected = saved.read_bytes(), Scores.load(saved, plan)
    refusals = []
    for position in np.random.default_rng(0).permutation(len(content))[:300]:
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        saved.write_bytes(damaged)
        try:
            again = Scores.load(saved, plan)
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert_array_equal(again.values, expected.values)
            assert_array_equal(again.classes, expected.classes)
    assert len(refusals) > 200
    assert all("answers.npz' " in refusal for refusal in refusals)
