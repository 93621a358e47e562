# SPDX-License-Identifier: BSD-3-Clause
"""Pictures on a point itself: image, text, sound, table."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skzest import (
    AudioMasker,
    CallableQuery,
    ImageMasker,
    LimeSignatureTransformer,
    QueryPlan,
    explain_distance,
)
from skzest.displays import ExplanationDisplay, SignatureDisplay
from skzest.maskers import BaseMasker

pytest.importorskip("matplotlib")

RATE = 8000
LONG = "Bears claw back; it costs $5 and $6. " * 3 + "\nSo, so."


class Thirds(BaseMasker):
    """Points of a kind that has no picture."""

    def cut(self, point):
        return np.arange(point.size) * 3 // point.size

    def fill_for(self, point, parts):
        return np.zeros_like(point)


def asked(kind):
    """Two signatures of three classes, their plan and the labels."""
    rng = np.random.default_rng(0)
    params = {"n_samples": 64, "sampling": "foldover"}
    grid = ImageMasker("grid", segmenter_params={"shape": (3, 3)})
    references = {
        "grey image": (rng.random((3, 12, 12)), grid),
        "colour image": (rng.integers(0, 256, (3, 3, 12, 12)).astype(np.uint8), grid),
        "flat image": (
            rng.normal(size=(3, 64)),
            ImageMasker("grid", segmenter_params={"shape": (3, 3)}, image_shape=(8, 8)),
        ),
        "text": ([LONG[:80], "so good", LONG], "auto"),
        "sound": ([np.sin(np.arange(n) / 9) for n in (800, 400, 900)], AudioMasker(RATE)),
        "stereo": (rng.integers(0, 255, (3, 2, 400)).astype(np.uint8), AudioMasker(RATE)),
        "table": (rng.normal(size=(3, 5)), "auto"),
        "wide table": (rng.normal(size=(3, 30)), "auto"),
        "other": (rng.normal(size=(3, 9)), Thirds()),
    }
    reference, masker = references[kind]
    if kind in ("text", "wide table"):
        params["n_samples"] = 128
    lime = LimeSignatureTransformer(reference, masker=masker, **params)

    def model(seed):
        def scores(X):
            rows = [
                [float(len(x)), x.count("o"), x.count("$")] if isinstance(x, str)
                else np.resize(np.asarray(x, float), (7, 3)).mean(axis=0)
                for x in X
            ]  # fmt: skip
            return np.array(rows) @ np.random.default_rng(seed).normal(size=(3, 3))

        return CallableQuery(scores, output="logits", classes=["a", "b", "$c$"])

    S = lime.fit_transform([model(0), model(1)])
    return S, lime.plan_, lime.classes_


KINDS = ["grey image", "colour image", "flat image", "text", "sound", "stereo", "table"]
KINDS += ["wide table", "other"]


@pytest.fixture(scope="module", params=KINDS)
def zoo(request):
    return (request.param, *asked(request.param))


# ---------------------------------------------------------------- explanation


def test_every_kind_of_point_is_drawn(zoo):
    kind, S, plan, classes = zoo
    explanation = explain_distance(S[0], S[1], plan, classes=classes)
    display = ExplanationDisplay.from_explanation(explanation)
    assert display.point == explanation.by_point.argmax()
    expected = 100 * explanation.by_part(display.point) / explanation.distance
    assert_allclose(display.values_, expected)
    row = plan.indices[display.point]
    assert display.ax_.get_title().startswith(f"point {display.point} (row {row}): ")
    assert (display.colorbar_ is None) == (kind in ("table", "wide table", "other"))
    n_parts = plan.n_parts[display.point]
    n_drawn = {"text": n_parts, "sound": n_parts, "stereo": n_parts, "wide table": 21}
    n_drawn |= {"table": n_parts, "other": n_parts}
    if kind == "text":
        drawn = [artist for artist in display.artists_ if artist.get_text().isalnum()]
        assert len(drawn) == n_parts
    else:
        assert len(display.artists_) == n_drawn.get(kind, 1)
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("zoo", KINDS[:-1], indirect=True)
def test_a_saved_plan_is_drawn_too(zoo, tmp_path):
    _, S, plan, _ = zoo
    plan.save(tmp_path / "plan")
    again = QueryPlan.load(tmp_path / "plan")
    display = ExplanationDisplay.from_signatures(S[0], S[1], again)
    expected = ExplanationDisplay.from_signatures(S[0], S[1], plan)
    assert_array_equal(display.values_, expected.values_)


def test_what_one_model_looks_at_is_drawn(zoo):
    kind, S, plan, classes = zoo
    display = SignatureDisplay.from_signature(S[0], plan, point=1, classes=classes)
    W = S[0].reshape(3, -1)[:, plan.column_point == 1]
    largest_first = np.argsort(-np.abs(W).max(axis=1))
    assert_array_equal(display.coefficients, W[largest_first])
    assert list(display.labels) == [classes[c] for c in largest_first]
    assert len(display.axes_) == 3
    assert display.ax_ is display.axes_[0]
    assert (display.colorbar_ is None) == (kind in ("table", "wide table", "other"))
    display.figure_.draw_without_rendering()


def test_shares_of_one_class_and_differences():
    S, plan, classes = asked("grey image")
    explanation = explain_distance(S[0], S[1], plan, classes=classes)
    display = ExplanationDisplay.from_explanation(explanation, point=2, label="b")
    b = list(classes).index("b")
    assert_allclose(display.values_, 100 * explanation.at(2)[b] / explanation.distance)
    assert display.ax_.get_title().endswith(", class b")
    display.plot(quantity="difference")
    first, second = explanation.units[:, b, plan.column_point == 2]
    assert_allclose(display.values_, second - first)
    assert display.colorbar_.ax.get_ylabel() == "coefficient, second − first"
    half_square = display.values_**2 / 2
    assert_allclose(half_square, explanation.at(2)[b])


def test_pictures_can_share_their_colours():
    S, plan, _ = asked("grey image")
    display = ExplanationDisplay.from_signatures(S[0], S[1], plan, vmax=30.0)
    assert display.artists_[0].get_clim() == (0.0, 30.0)
    display = SignatureDisplay.from_signature(S[0], plan, vmax=3.0, labels=[1])
    assert display.colorbar_.mappable.get_clim() == (-3.0, 3.0)


def test_equal_models_are_drawn_without_a_share():
    S, plan, _ = asked("table")
    display = ExplanationDisplay.from_signatures(S[0], S[0], plan)
    assert_array_equal(display.values_, 0.0)
    assert "0.0%" in display.ax_.get_title()


def test_overlay_lies_on_the_parts():
    S, plan, _ = asked("flat image")
    display = ExplanationDisplay.from_signatures(S[0], S[1], plan)
    drawn = np.asarray(display.artists_[0].get_array())
    assert drawn.shape == (8, 8)
    assert_array_equal(drawn, display.values_[plan.parts[display.point]])


def test_largest_bars_come_first_and_the_rest_is_summed():
    S, plan, _ = asked("wide table")
    display = ExplanationDisplay.from_signatures(S[0], S[1], plan, point=0)
    lengths = np.array([bar.get_width() for bar in display.artists_])
    assert_allclose(lengths[:20], np.sort(display.values_)[::-1][:20])
    assert_allclose(lengths.sum(), display.values_.sum())
    names = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert names[-1] == "sum of 10 others"
    assert names[0].startswith(f"column {display.values_.argmax()} = ")


def test_spectrogram_in_place_of_the_wave():
    S, plan, _ = asked("sound")
    display = ExplanationDisplay.from_signatures(S[0], S[1], plan, sound="spectrogram")
    assert display.ax_.get_ylabel() == "kHz"
    assert len(display.ax_.images) == 1
    assert_allclose(display.ax_.get_ylim(), (0, RATE / 2000))
    with pytest.raises(ValueError, match="sound must be 'waveform' or 'spectrogram'"):
        ExplanationDisplay.from_signatures(S[0], S[1], plan, sound="chroma")


def test_sounds_run_to_their_end():
    S, plan, _ = asked("sound")
    for n in range(3):
        display = ExplanationDisplay.from_signatures(S[0], S[1], plan, point=n)
        assert_allclose(display.ax_.get_xlim(), (0, plan.point(n).size / RATE))


# ---------------------------------------------------------------- given axes


def test_axes_are_used_and_counted():
    import matplotlib.pyplot as plt

    S, plan, _ = asked("table")
    figure, axes = plt.subplots(1, 3)
    assert ExplanationDisplay.from_signatures(S[0], S[1], plan, ax=axes[0]).figure_ is figure
    display = SignatureDisplay.from_signature(S[0], plan, ax=axes)
    assert list(display.axes_) == list(axes)
    display = SignatureDisplay.from_signature(S[0], plan, ax=plt.figure().subfigures(1, 2)[0])
    assert len(display.axes_) == 3
    assert SignatureDisplay.from_signature(S[0], plan, labels=[0], ax=axes[1]).ax_ is axes[1]
    with pytest.raises(ValueError, match="ax holds 2 Axes for 3 classes"):
        SignatureDisplay.from_signature(S[0], plan, ax=axes[:2])


def test_a_long_text_is_shown_where_it_matters():
    import matplotlib.pyplot as plt

    S, plan, _ = asked("text")
    _, ax = plt.subplots(figsize=(1.2, 0.5))
    n = int(plan.n_parts.argmax())
    display = ExplanationDisplay.from_signatures(S[0], S[1], plan, point=n, ax=ax)
    shown = [artist.get_text() for artist in display.artists_]
    assert len(shown) < plan.n_parts[n]
    assert "…" in "".join(shown)
    assert all(artist.get_fontsize() >= 5 for artist in display.artists_)


def test_dollars_in_names_are_no_formulas():
    S, plan, classes = asked("text")
    display = SignatureDisplay.from_signature(S[0], plan, classes=classes, labels=["$c$"])
    names = (r"$\frac$", "$")
    with warnings.catch_warnings(record=True):
        display.figure_.draw_without_rendering()
        display = ExplanationDisplay.from_signatures(
            S[0], S[1], plan, classes=classes, label="$c$", names=names, quantity="difference"
        )
        display.figure_.draw_without_rendering()  # a formula would not parse
    assert any("$5" in a.get_text() or a.get_text() == "$" for a in display.ax_.texts)


# ---------------------------------------------------------------- bad input


def test_unknown_points_classes_and_quantities_are_refused():
    S, plan, classes = asked("table")
    explanation = explain_distance(S[0], S[1], plan, classes=classes)
    with pytest.raises(ValueError, match="n=7, but the plan has 3 points"):
        ExplanationDisplay.from_explanation(explanation, point=7)
    with pytest.raises(ValueError, match="label='z' is not a class of both models"):
        ExplanationDisplay.from_explanation(explanation, label="z")
    with pytest.raises(ValueError, match="quantity='difference' needs one class"):
        ExplanationDisplay.from_explanation(explanation, quantity="difference")
    with pytest.raises(ValueError, match="quantity must be 'share' or 'difference'; got 'ratio'"):
        ExplanationDisplay.from_explanation(explanation, quantity="ratio")
    with pytest.raises(ValueError, match="'z' is not a class of the signature"):
        SignatureDisplay.from_signature(S[0], plan, classes=classes, labels=["z"])
    with pytest.raises(ValueError, match="labels is empty"):
        SignatureDisplay.from_signature(S[0], plan, labels=[])
    with pytest.raises(ValueError, match=r"classes has shape \(2,\); expected \(3,\)"):
        SignatureDisplay.from_signature(S[0], plan, classes=["a", "b"])


def test_classes_that_a_model_lacks_are_not_drawn():
    S, plan, classes = asked("table")
    W = S[0].reshape(3, -1)
    W[1] = np.nan
    display = SignatureDisplay.from_signature(W.ravel(), plan, classes=classes)
    assert len(display.labels) == 2
    assert classes[1] not in list(display.labels)
    with pytest.raises(ValueError, match="the model lacks class"):
        SignatureDisplay.from_signature(W.ravel(), plan, classes=classes, labels=[classes[1]])
    with pytest.raises(ValueError, match="the model lacks all classes"):
        SignatureDisplay.from_signature(np.full(W.size, np.nan), plan)


def test_masks_are_no_parts_to_be_shown():
    X = np.random.default_rng(0).normal(size=(3, 4))
    model = CallableQuery(lambda X: X[:, :2], output="logits")
    lime = LimeSignatureTransformer(X, n_samples=16, surrogate="passthrough")
    S = lime.fit_transform([model, model])
    with pytest.raises(ValueError, match="a component is a mask, not a part"):
        ExplanationDisplay.from_signatures(S[0], S[1], lime.plan_)
    with pytest.raises(ValueError, match="a component is a mask, not a part"):
        SignatureDisplay.from_signature(S[0], lime.plan_)
