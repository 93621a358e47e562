# SPDX-License-Identifier: BSD-3-Clause
"""Rehearsed questions in files: what is saved comes back, and nothing is read wrongly."""

import numpy as np
import pytest

from skzest import CallableQuery
from skzest.plan import sha256
from skzest.rehearsal import RehearsedQuestions, choose_questions

POINTS = np.arange(6.0)[:, None]
OWNER = [0, 0, 0, 1, 1, 1]
COPIES = [[0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 0, 0]]
UNRELATED = [[0, 1, 0, 0, 1, 1], [1, 1, 0, 1, 0, 1]]


def says(positions, classes):
    """A model of the points 0 to 5, by the positions of its labels."""
    table = np.eye(len(classes))[positions]
    return CallableQuery(
        lambda X: table[X[:, 0].astype(int)], output="predict_proba", classes=classes
    )


def chosen(classes=(0, 1), answers="label"):
    copies, unrelated = ([says(p, classes) for p in zoo] for zoo in (COPIES, UNRELATED))
    return choose_questions(
        says(OWNER, classes),
        POINTS,
        copies=copies,
        unrelated=unrelated,
        n_questions=5,
        answers=answers,
    )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "questions.npz"
    chosen().save(path)
    return path


def rewritten(path, **fields):
    """The file with other fields and a digest that fits them: the work of an attacker."""
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files if key != "digest"}
    arrays |= {name: np.asarray(value) for name, value in fields.items()}
    np.savez(path, digest=sha256(b"", arrays).hexdigest(), **arrays)
    return path


@pytest.mark.parametrize("answers", ["label", "scores"])
@pytest.mark.parametrize(
    "classes",
    [
        np.array(["no", "yes"], dtype=object),
        np.array(["no", "yes"]),
        np.array([3, 7], dtype=object),
        np.array([0.5, 1.5]),
        np.array([False, True]),
    ],
    ids=["strings as objects", "strings", "integers as objects", "floats", "booleans"],
)
def test_labels_of_every_dtype_come_back(classes, answers, tmp_path):
    questions = chosen(classes, answers)
    questions.save(tmp_path / "questions")
    again = RehearsedQuestions.load(tmp_path / "questions")
    assert again.classes.tolist() == classes.tolist()
    models = [says(p, classes) for p in (OWNER, *COPIES, *UNRELATED)]
    np.testing.assert_array_equal(again.distances(models), questions.distances(models))


@pytest.mark.parametrize("classes", [[("a", 1), ("b", 2)], [2**70, 1], ["a\0", "a"]])
def test_labels_that_a_file_cannot_keep_are_refused_before_it_is_written(classes, tmp_path):
    labels = np.empty(2, dtype=object)
    labels[:] = classes
    with pytest.raises(TypeError, match=r"a file cannot keep them.*of one kind, such as Call"):
        chosen(labels).save(tmp_path / "questions")
    assert not (tmp_path / "questions").exists()
    chosen([repr(label) for label in classes]).save(tmp_path / "questions")
    RehearsedQuestions.load(tmp_path / "questions")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("owner_scores", lambda v: v * np.nan),
        ("owner_scores", lambda v: v * 1e6),
        ("owner_scores", lambda v: -v),
        ("owner_scores", lambda v: np.full_like(v, 0.5)),
        ("owner_scores", lambda v: v[:2]),
        ("owner_scores", lambda v: v + 0j),
        ("owner_scores", lambda v: v.astype(str)),
        ("weights", lambda v: v[:2]),
        ("weights", lambda v: v * np.inf),
        ("weights", lambda v: v + 0j),
        ("weights", lambda v: v.astype(str)),
        ("centre", lambda v: v.astype(str)),
        ("centre", lambda v: v[None]),
        ("centre", lambda v: v * np.nan),
        ("centre", lambda v: v + 1e4),
        ("centre", lambda v: v - 1e4),
        ("weights", lambda v: v * 1e4),
        ("indices", lambda v: v - 10),
        ("indices", lambda v: v + 0.5),
        ("indices", lambda v: v * 0),
        ("classes", lambda v: v * 0),
        ("classes", lambda v: v + 0j),
        ("classes", lambda v: v[:, None]),
        ("plan", lambda v: v[:100]),
        ("plan", lambda v: v.astype(str)),
    ],
)
def test_fields_that_do_not_fit_are_named(saved, field, change):
    with np.load(saved) as archive:
        value = change(archive[field])
    assert RehearsedQuestions.load(rewritten(saved))
    with pytest.raises(ValueError, match=rf"questions.npz' is damaged: {field}"):
        RehearsedQuestions.load(rewritten(saved, **{field: value}))


def test_changed_weights_do_not_fit_the_digest(saved):
    with np.load(saved) as archive:
        arrays = dict(archive)
    np.savez(saved, **arrays | {"weights": 2 * arrays["weights"]})
    with pytest.raises(ValueError, match=r"is damaged: its contents have digest.*Ask for a new"):
        RehearsedQuestions.load(saved)


def test_other_files_are_refused(saved):
    chosen().plan.save(saved)
    with pytest.raises(ValueError, match=r"does not hold rehearsed questions.*save writes them"):
        RehearsedQuestions.load(saved)
    saved.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="does not hold rehearsed questions"):
        RehearsedQuestions.load(saved)


def test_a_changed_byte_is_harmless_or_a_value_error_that_names_the_file(saved):
    content, models = saved.read_bytes(), [says(p, [0, 1]) for p in (*COPIES, *UNRELATED)]
    expected = chosen().distances(models)
    refusals = []
    for position in np.random.default_rng(0).permutation(len(content))[:300]:
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        saved.write_bytes(damaged)
        try:
            again = RehearsedQuestions.load(saved)
        except ValueError as error:
            refusals.append(str(error))
        else:
            np.testing.assert_array_equal(again.distances(models), expected)
    assert len(refusals) > 200
    assert all("questions.npz' " in refusal for refusal in refusals)
