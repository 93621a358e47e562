# SPDX-License-Identifier: BSD-3-Clause
"""Work spread over jobs: every model answers every point once, whoever runs what."""

import os
import threading
import traceback
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from counting import Counted
from hypothesis import given
from hypothesis import strategies as st
from joblib.parallel import ThreadingBackend
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skzest import CallableQuery, LimeSignatureTransformer
from skzest.asking import Panel
from skzest.asking import _schedule as schedule
from skzest.asking import _task as task_module
from skzest.asking._guard import Respondent
from skzest.asking._schedule import _spread, _trial_of
from skzest.asking._task import tasks_of
from skzest.queries import as_query

X, Y = load_iris(return_X_y=True)
ZOO = [LogisticRegression(max_iter=500).fit(X, Y), GaussianNB().fit(X, Y)]
PLAN = LimeSignatureTransformer(X, n_reference=30, n_samples=12).fit(ZOO).plan_


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 80))
def test_tasks_cover_every_model_and_point_once(n_models, n_workers, batch_size):
    respondents = [
        Respondent(str(i), as_query(ZOO[i % 2]), "predict_proba", "logit", 1e-6)
        for i in range(n_models)
    ]
    (whole,) = tasks_of(PLAN, respondents, batch_size, keep_scores=False)
    trial, rest = _trial_of(whole)
    elsewhere = list(_spread(rest, n_workers, 2))
    tasks = elsewhere if trial is None else [trial, *elsewhere]
    assert trial is None or 5 * trial.n_answers <= rest.n_answers
    covered = [(i, n) for task in tasks for i in task.members for n in range(task.start, task.stop)]
    assert sorted(covered) == [(i, n) for i in range(n_models) for n in range(30)]
    for task in tasks:
        assert len(task.plan) == task.stop - task.start
        assert [r.name for r in task.respondents] == [str(i) for i in task.members]
    # Each has its session and its overhead, so there are few.
    assert len(elsewhere) <= max(2 * n_workers, n_workers + n_models)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_jobs_change_nothing_but_rounding(backend):
    expected = LimeSignatureTransformer.from_plan(PLAN).fit_transform(ZOO)
    with joblib.parallel_config(backend):
        given = LimeSignatureTransformer.from_plan(PLAN, n_jobs=2, batch_size=40).fit_transform(ZOO)
    assert_allclose(given, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_models_whose_answers_do_not_fit_together_are_asked_in_groups(monkeypatch, tmp_path):
    counted = [Counted(model.predict_proba) for model in 3 * ZOO]
    zoo = [c.query("predict_proba", model_id=str(i)) for i, c in enumerate(counted)]
    expected = LimeSignatureTransformer.from_plan(PLAN).fit_transform(zoo)
    n_together = [c.n_rows for c in counted]
    monkeypatch.setattr(task_module, "_HELD_BYTES", 2 * PLAN.n_queries * 3 * 8)
    n_groups, groups = [], task_module.Task.groups

    def counted_groups(task):
        found = list(groups(task))
        n_groups.append(len(found))
        return iter(found)

    monkeypatch.setattr(task_module.Task, "groups", counted_groups)
    for store in (None, tmp_path / "answers.sqlite"):
        lime = LimeSignatureTransformer.from_plan(PLAN, cache=store)
        assert_array_equal(lime.fit_transform(zoo), expected)
    assert n_groups == [3, 3]
    assert [c.n_rows for c in counted] == [3 * n for n in n_together]


def test_models_share_the_copies_of_their_first_look():
    panel = Panel(PLAN, [as_query(model) for model in ZOO], ["a", "b"])
    first, second = (panel.look(i).witness for i in range(2))
    assert first.copies is second.copies
    assert not np.array_equal(first.scores, second.scores)


class Locked:
    classes_ = np.arange(3)

    def __init__(self):
        self.lock = threading.Lock()

    def predict_proba(self, batch):
        with self.lock:
            return ZOO[0].predict_proba(batch)


def test_the_work_kept_from_workers_is_measured_not_guessed(monkeypatch):
    now, kept, n_late = [0.0], [], []

    def slow_at_first(batch):
        if len(batch) > 8:  # no first look
            n_late.append(len(batch))
            now[0] += 0.1 if len(n_late) > 1 else 5.0
        return ZOO[0].predict_proba(batch)

    monkeypatch.setattr(schedule, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(schedule, "is_worth_sending", lambda seconds: False)
    monkeypatch.setattr(schedule, "note_kept", kept.append)
    lime = LimeSignatureTransformer.from_plan(PLAN, n_jobs=2, batch_size=24)
    lime.fit_transform([CallableQuery(slow_at_first)])
    assert len(n_late) > 8
    assert kept == [pytest.approx(0.1 * (len(n_late) - 1))]


def test_a_model_that_does_not_pickle_is_named_and_the_remedy_works():
    zoo, lime = [ZOO[1], Locked()], LimeSignatureTransformer.from_plan(PLAN, n_jobs=2)
    with pytest.raises(TypeError, match=r"models\[1\] \(Locked\) cannot be sent .*threading"):
        lime.fit_transform(zoo)
    expected = LimeSignatureTransformer.from_plan(PLAN, n_jobs=1).fit_transform(zoo)
    with joblib.parallel_config("threading"):
        assert_allclose(lime.fit_transform(zoo), expected, atol=1e-12)


class Stranger(Locked):
    """Pickles, but opens only where it was made, as a class of a notebook may."""

    def __reduce__(self):
        return exec, (f"import os, __main__; os.getpid() == {os.getpid()} or __main__.gone",)


def test_a_model_that_opens_in_this_process_only_is_named_and_the_remedy_works():
    zoo, lime = [ZOO[1], Stranger()], LimeSignatureTransformer.from_plan(PLAN, n_jobs=2)
    with pytest.raises(TypeError, match=r"^models\[1\] \(Stranger\) cannot be sent .*in a module"):
        lime.fit_transform(zoo)
    expected = LimeSignatureTransformer.from_plan(PLAN).fit_transform(zoo)
    with joblib.parallel_config("threading"):
        assert_allclose(lime.fit_transform(zoo), expected, atol=1e-12)


class AtTheEnd(ThreadingBackend):
    """A backend that returns all outcomes at the end, as Ray's does."""

    supports_return_generator = False


def test_progress_is_shown_on_backends_that_return_at_the_end_only(capsys):
    joblib.register_parallel_backend("at the end", AtTheEnd)
    lime = LimeSignatureTransformer(X, n_reference=30, n_samples=12, n_jobs=2, verbose=1)
    with joblib.parallel_config("at the end"):
        with pytest.raises(ValueError, match="does not support return_as"):
            joblib.Parallel(n_jobs=2, return_as="generator")
        given = lime.fit_transform(ZOO)
    assert_allclose(given, LimeSignatureTransformer.from_plan(PLAN).fit_transform(ZOO), atol=1e-10)
    shown = capsys.readouterr().err
    assert "points cut: 30 of 30 (100%)" in shown
    assert "(100%)" in shown.split("questions answered")[-1]


def test_progress_adds_up_whatever_the_jobs(capsys):
    for n_jobs in (1, 2):
        LimeSignatureTransformer.from_plan(PLAN, n_jobs=n_jobs, verbose=1).fit_transform(ZOO)
        total = f"{2 * PLAN.n_queries:,}"
        assert f"questions answered: {total} of {total} (100%)" in capsys.readouterr().err


def test_no_more_frames_than_needed_between_the_call_and_the_model():
    depth = []

    class Deep(LogisticRegression):
        def predict_proba(self, batch):
            names = [frame.name for frame in traceback.extract_stack()]
            depth.append(len(names) - names.index("fit_transform"))
            return super().predict_proba(batch)

    LimeSignatureTransformer.from_plan(PLAN).fit_transform([Deep(max_iter=500).fit(X, Y)])
    assert depth[-1] <= 12
