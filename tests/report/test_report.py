# SPDX-License-Identifier: BSD-3-Clause
"""The report: complete, well formed, and harmless whatever the models are called."""

import base64
import datetime
import hashlib
import html
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from counting import CountedRegression
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skzest import (
    CallableQuery,
    LimeSignatureTransformer,
    QueryPlan,
    ReuseDetector,
    UndefinedSignatureWarning,
    UnlearningVerifier,
    ZooMapDisplay,
    explain_distance,
    html_report,
    zest_distances,
)
from skzest.report import _html

plt = pytest.importorskip("matplotlib.pyplot")

EVIL = "<script>alert(1)</script>"
QUOTED = "\" onload='alert(2)' x=\"&amp;"
VOID = {"meta", "img", "br", "hr", "link", "input"}


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


@pytest.fixture
def sketched(monkeypatch):
    """Pictures are laid out, but not painted."""

    def figure(drawn, alt, caption="", **params):
        return f'<img alt="{_html.escape(alt)}" src="data:image/png;base64,">'

    monkeypatch.setattr(_html, "figure", figure)


class Page(HTMLParser):
    """Tags, attributes and text; refuses tags that do not close."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.cells, self.hidden = [], 0
        self.feed(str(markup))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("th", "td"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)
        if {"th", "td"} & set(self.open):
            self.cells[-1] += data

    @property
    def words(self):
        return "".join(self.text)

    def of(self, tag, name):
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


@pytest.fixture(scope="module")
def asked():
    """Five models, one of them constant, on three columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    zoo = [LogisticRegression(C=C).fit(X, y) for C in (0.01, 1, 1.1, 100)]
    zoo.append(DummyClassifier().fit(X, y))
    lime = LimeSignatureTransformer(X, n_reference=12, n_samples=16)
    with pytest.warns(UndefinedSignatureWarning):
        S = lime.fit_transform(zoo)
    return zoo, lime, S


LABELS = [EVIL, QUOTED, "plain", "$x_{$ and a very long name " * 3, "constant"]


@pytest.fixture(scope="module")
def made(asked, tmp_path_factory):
    _, lime, S = asked
    path = tmp_path_factory.mktemp("report") / "report.html"
    detector = ReuseDetector(null="lognormal").fit([0.18, 0.22, 0.19, 0.21, 0.2, 0.17])
    markup = html_report(
        S,
        lime,
        path,
        labels=LABELS,
        groups=[EVIL, "b", None, "b", np.nan],
        classes=[EVIL, "two", "three"],
        decisions=detector.judge([0.02, 0.2], labels=[EVIL, "theirs"]),
        title=f"Ours? {EVIL}",
        notes=f"First.\n\nSecond: {EVIL}",
        date=datetime.date(2026, 1, 2),
    )
    assert path.read_text(encoding="utf-8") == str(markup)
    return str(markup)


# ---------------------------------------------------------------- harmless


def test_names_never_become_markup(made):
    page = Page(made)
    assert page.tags.count("script") == 1  # that of the page
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    words = page.words
    assert words.count(EVIL) >= 8  # title, notes, groups, classes, suspects, tables
    assert QUOTED in words
    assert page.cells.count("1. " + EVIL) == 1
    assert any(EVIL in alt for alt in page.of("img", "alt"))


@given(st.text(max_size=30))
def test_any_text_is_shown_verbatim(text):
    markup = _html.table(text, [text, text], [[_html.name(text), _html.escape(text)]])
    page = Page(markup + _html.definitions([(text, _html.name(text))]))
    shown = text.encode("utf-8", "replace").decode()
    shown = "".join("?" if (c < " " and c not in "\t\n") or c == "\x7f" else c for c in shown)
    assert page.words == 7 * shown
    assert page.of("div", "aria-label") == [shown]
    assert sorted(set(page.tags)) == sorted(
        ["div", "table", "caption", "thead", "tbody", "tr", "th", "td", "bdi", "dl", "dt", "dd"]
    )


def test_nothing_is_loaded(made):
    page = Page(made)
    sources = page.of("img", "src")
    assert len(sources) == 6  # decisions, heat map, map, three points
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    loading = {"href", "srcset", "action", "data", "poster", "background"}
    assert not [attribute for attribute in page.attributes if attribute[1] in loading]
    assert {"link", "iframe", "object", "embed", "form"}.isdisjoint(page.tags)
    style = re.search("<style>(.*?)</style>", made, re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style
    policy = page.of("meta", "content")[0]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_nothing_but_the_script_of_the_page_may_run(made):
    (script,) = re.findall("<script>(.*?)</script>", made, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = Page(made).of("meta", "content")[0]
    assert policy.endswith(f"; script-src 'sha256-{digest}'")
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    assert "innerHTML" not in script and "://" not in script  # names stay text, nothing is fetched
    for loader in ("fetch(", "XMLHttp", "import", "eval", "localStorage", "cookie"):
        assert loader not in script


def test_lone_surrogates_and_line_breaks_are_written(asked, tmp_path, sketched):
    _, lime, S = asked
    html_report(S[:2], lime, tmp_path / "page", labels=["a\udc80b", "two\nlines\x00"])
    assert "a?b" in Page((tmp_path / "page").read_text(encoding="utf-8")).words


# ---------------------------------------------------------------- the map and the table of models


def titles(markup):
    """Of each point of the map: its model, the models near it, and its title."""
    points = re.findall(
        r'<circle [^>]*data-model="(\d+)" data-near="([\d ]*)"><title>(.*?)</title>',
        str(markup),
        re.DOTALL,
    )
    return [(int(i), [*map(int, near.split())], html.unescape(text)) for i, near, text in points]


def test_each_point_of_the_map_names_its_nearest_models(asked, made):
    _, _, S = asked
    D = zest_distances(S)
    found = titles(made)
    assert [model for model, _, _ in found] == [0, 1, 2, 3]  # the constant model has no place
    for model, near, text in found:
        others = [j for j in np.argsort(D[model]) if j != model and not np.isnan(D[model, j])]
        assert near == others
        name, *lines = text.split("\n")
        assert name.startswith(" ".join(LABELS[model].split()))
        assert len(lines) == 3
        assert float(lines[0].partition(":")[0]) == pytest.approx(D[model, near[0]], rel=0.01)
    assert found[0][2].startswith(f"{EVIL} ({EVIL})\n")


def test_points_lie_on_the_picture_where_the_map_has_them(asked):
    _, lime, S = asked
    drawn = ZooMapDisplay.from_distances(zest_distances(S[:4]), labels=["a", "b", "c", "d"])
    drawn.figure_.savefig(io.BytesIO(), dpi=150)  # the layout depends on the resolution
    x = drawn.ax_.transData.transform(drawn.positions) / drawn.figure_.bbox.width
    markup = str(html_report(S[:4], lime, labels=["a", "b", "c", "d"]))
    shown = np.array(re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', markup), dtype=float)
    height = float(re.search(r'viewBox="0 0 1000 ([\d.]+)"', markup)[1])
    np.testing.assert_allclose(shown[:, 0], 1000 * x[:, 0], atol=0.1)
    np.testing.assert_allclose(height - shown[:, 1], 1000 * x[:, 1], atol=0.2)
    plt.close(drawn.figure_)


def test_table_of_models_has_the_nearest_and_the_cluster_of_each(asked, made):
    _, _, S = asked
    D = zest_distances(S)
    np.fill_diagonal(D, np.nan)
    page = Page(made)
    assert page.of("table", "id") == ["models"]
    start = page.cells.index("cluster")
    assert page.cells[start - 4 : start + 2] == [
        *["model", "group", "nearest", "at distance"],
        *["cluster", "classes"],
    ]
    rows = [page.cells[start + 2 + 6 * i :][:6] for i in range(5)]
    name, group, nearest, distance, cluster, classes = rows[2]
    assert name == "plain"
    assert nearest == LABELS[np.nanargmin(D[2])]
    assert float(distance) == pytest.approx(np.nanmin(D[2]), rel=0.01)
    assert (group, cluster, classes) == ("–", "1", "3 of 3")
    assert rows[4] == ["constant", "–", "–", "–", "–", "3 of 3"]


def test_a_model_by_itself_is_in_no_cluster(asked, made, sketched):
    _, lime, S = asked
    page = Page(html_report(np.stack([S[0], -S[0], S[0] + 0.01 * S[1]]), lime))
    start = page.cells.index("cluster") + 2
    assert page.cells[start + 3 : start + 15 : 5] == ["1", "–", "1"]
    assert "near no other is in none (–)" in page.words
    assert "Named are" not in Page(made).words


def test_script_finds_what_it_works_on(asked, made):
    """The script names the table, the map and its points as the page does."""
    (script,) = re.findall("<script>(.*?)</script>", made, re.DOTALL)
    page = Page(made)
    named = set(re.findall(r'getElementById\("(\w+)"\)', script))
    assert named == {"models", "map"} <= set(page.of("table", "id") + page.of("svg", "id"))
    for name in re.findall(r"dataset\.(\w+)", script):
        assert page.of("circle", f"data-{name}")
    styles = set(re.findall(r"\.([a-z]+)\b", re.search("<style>(.*?)</style>", made, re.DOTALL)[1]))
    assert {"note", "search", "here", "found"} <= styles
    assert html_report(asked[2][:1], asked[1]) is not None  # a page without a map


def test_judged_models_are_ringed_on_the_map(asked, monkeypatch, sketched):
    _, lime, S = asked
    seen = []
    draw = ZooMapDisplay.from_distances

    def from_distances(*args, **params):
        seen.append(params["suspects"])
        return draw(*args, **params)

    monkeypatch.setattr(ZooMapDisplay, "from_distances", from_distances)
    detector = ReuseDetector(null="lognormal").fit([0.18, 0.22, 0.19, 0.21, 0.2, 0.17])
    decisions = detector.judge([0.02, 0.2], labels=["b", "elsewhere"])
    html_report(S[:3], lime, labels=["a", "b", "c"], decisions=decisions)
    assert seen == [[1]]


def test_a_page_on_many_models_is_small(asked):
    _, lime, S = asked
    rng = np.random.default_rng(0)
    rows = S[rng.integers(4, size=100)] + 0.1 * rng.normal(size=(100, S.shape[1]))
    report = str(html_report(rows, lime, labels=[f"model number {i}" for i in range(100)]))
    assert len(report) < 1e6
    page = Page(report)
    assert page.tags.count("tr") < 250  # no table of all pairs
    assert page.tags.count("circle") == 100
    assert max(map(len, page.of("img", "alt"))) < 1150
    assert "100 models were asked" in page.words
    assert "Named are those in the middle of clusters." in page.words


# ---------------------------------------------------------------- accessibility


def test_page_is_accessible(made):
    page = Page(made)
    assert page.of("html", "lang") == ["en"]
    assert len(page.of("img", "alt")) == page.tags.count("img")
    assert all(len(alt) > 30 for alt in page.of("img", "alt"))
    assert page.tags.count("table") == page.tags.count("caption") == page.tags.count("thead")
    assert len(page.of("th", "scope")) == page.tags.count("th")
    assert page.tags.count("h1") == 1
    named = set(page.of("section", "aria-labelledby"))
    assert named == set(page.of("h2", "id"))
    assert len(named) == page.tags.count("section")
    assert "prefers-color-scheme: dark" in made
    assert "@media print" in made


def test_page_says_what_was_asked_and_with_what(asked, made):
    import sklearn

    _, lime, _ = asked
    words = Page(made).words
    assert lime.plan_.digest in words
    assert f"scikit-learn {sklearn.__version__}" in words
    assert "2026-01-02" in words
    assert "LinearRegression()" in words and "TabularMasker()" in words
    assert f"{lime.plan_.n_queries:,} questions about 12 reference points" in words
    assert "'bernoulli'" in words
    plan_only = Page(html_report(asked[2][:1], lime.plan_)).words
    assert lime.plan_.digest in plan_only and "'bernoulli'" not in plan_only


# ---------------------------------------------------------------- numbers


def test_tables_hold_the_distances(asked, made):
    _, _, S = asked
    D = zest_distances(S)
    page = Page(made)
    assert f"{D[1, 2]:.4g}" in page.cells  # the nearest pair
    for i, j in ((0, 3), (1, 3)):
        assert page.cells.count(f"{D[i, j]:.3f}") >= 2  # both halves of the matrix
    assert page.cells.count("–") >= 10  # of the constant model, and two unknown groups
    assert "as they give the same answer to every question: constant." in page.words


def test_nearest_two_that_differ_are_explained(asked, sketched):
    _, lime, S = asked
    S = S[[0, 0, 1, 3]]
    words = Page(html_report(S, lime, labels=["a", "a again", "b", "c"])).words
    D = zest_distances(S)
    i, j = min([(0, 2), (2, 3), (0, 3)], key=lambda pair: D[pair])
    names = ["a", "a again", "b", "c"]
    assert f"The distance between {names[i]} and {names[j]}, {D[i, j]:.3g}, is a sum" in words
    assert "a and a again are nearer, but give the same answers. " in words
    assert f"{names[i]} and {names[j]} are the nearest two that differ." in words
    assert "but give the same" not in Page(html_report(S[1:], lime, labels=names[1:])).words
    words = Page(html_report(S, lime, labels=names, pair=(0, 3))).words
    assert f"The distance between a and c, {D[0, 3]:.3g}, is a sum" in words
    assert (
        "a and a again give the same answers"
        in Page(html_report(S, lime, labels=names, pair=(0, 1))).words
    )


def test_tables_show_the_shares_of_their_columns(asked):
    _, lime, S = asked
    page = Page(html_report(S, lime, pair=(0, 3)))
    by_name = explain_distance(S[0], S[3], lime.plan_).by_name
    assert "Shares of the parts, over all points" in page.words
    start = page.cells.index("of the distance", page.cells.index("part") - 3)
    name, share = next(iter(by_name.items()))
    assert name in page.cells[start:] and f"{share / sum(by_name.values()):.1%}" in page.words


def test_unfitted_transformers_are_refused_with_the_one_that_a_detector_fits(asked):
    zoo, lime, _ = asked
    unfitted = clone(lime)
    detector = UnlearningVerifier.from_models(zoo[0], zoo[1:4], unfitted)
    with pytest.raises(NotFittedError, match=r"call fit\(models\) first.* pass its transformer_"):
        html_report(zoo[:2], unfitted)
    assert "2 models were asked" in Page(html_report(zoo[:2], detector.transformer_)).words


def test_decisions_come_with_interval_and_p(made):
    page = Page(made)
    assert "Of 2 suspects: 1 “reused”, 1 “unrelated”." in page.words
    row = page.cells.index("theirs")
    decision, distance, relative, p, adjusted = page.cells[row + 1 : row + 6]
    assert decision.startswith("unrelated1.03 is ordinary between unrelated models")
    assert distance == "0.2"
    assert re.fullmatch(r"1\.03 \[0\.\d+, 1\.\d+\]", relative)
    assert 0 < float(p) <= float(adjusted) <= 1


def test_several_distances_show_which_of_them_decided(asked, sketched):
    _, lime, S = asked
    unrelated = np.random.default_rng(0).lognormal(-1.0, 0.2, size=(19, 2))
    detector = ReuseDetector(correction=None).fit(unrelated)
    found = detector.judge([[0.4, np.nan], [0.4, 0.01]], labels=["theirs", EVIL])
    page = Page(html_report(S[:2], lime, decisions=found))
    assert "2 distances decided together" in page.words
    row = page.cells.index(EVIL)  # the most suspicious first
    decision, p, adjusted, *z = page.cells[row + 1 : row + 6]
    assert decision.startswith("reusedp = 0.05, at most 0.05, by distance 1 (z -")
    assert (p, adjusted) == ("0.05", "0.05") and float(z[1]) < -3
    assert page.cells[page.cells.index("theirs") + 5] == "–"
    assert "Of 2 suspects:" in page.words


def test_verdicts_on_unlearning(asked, sketched):
    _, lime, S = asked
    verifier = UnlearningVerifier.from_signatures(S[3], S[:3], lime.plan_)
    verdicts = verifier.judge_signatures(S[[2]] + S[[3]], labels=[EVIL])
    page = Page(html_report(S[:4], lime, decisions=[verdicts]))
    assert EVIL in page.cells
    assert any(cell.startswith(verdicts.decisions[0]) for cell in page.cells)
    assert f"One candidate: {EVIL} is “{verdicts.decisions[0]}”." in page.words
    assert "this is a heuristic" in page.words.lower()


def test_models_are_asked(asked, sketched):
    zoo, lime, S = asked
    words = Page(html_report(zoo[:3], lime, date=datetime.date(2026, 1, 2))).words
    again = Page(html_report(S[:3], lime, date=datetime.date(2026, 1, 2))).words
    assert words.count("LogisticRegression") == 3
    assert words.replace("kind", "", 1).replace("LogisticRegression", "") == again


def test_classes_come_from_column_names(asked, sketched):
    pd = pytest.importorskip("pandas")
    _, lime, S = asked
    frame = pd.DataFrame(S[:2], columns=lime.get_feature_names_out())
    assert "3 classes0, 1, 2" in Page(html_report(frame, lime.plan_)).words


@pytest.mark.parametrize("n_models", [1, 2, 30])
def test_any_number_of_models(asked, n_models, sketched):
    _, lime, S = asked
    rng = np.random.default_rng(0)
    rows = np.resize(S[:4], (n_models, S.shape[1])) + 0.1 * rng.normal(size=(n_models, S.shape[1]))
    page = Page(html_report(rows, lime.plan_))
    assert page.tags.count("img") == (0 if n_models == 1 else 5)
    assert ("The 15 nearest pairs" in page.words) == (n_models == 30)
    assert ("Distances between all models" in page.words) == (n_models == 2)
    assert ("differ in" in page.words) == (n_models > 1)


def test_one_suspect_is_one_suspect(asked):
    _, lime, S = asked
    detector = ReuseDetector(null="lognormal").fit([0.18, 0.22, 0.19, 0.21, 0.2, 0.17])
    page = Page(html_report(S[:1], lime, decisions=detector.judge([0.2], labels=[EVIL])))
    assert f"One suspect: {EVIL} is “unrelated”." in page.words
    assert any("of 1 suspect with" in alt for alt in page.of("img", "alt"))
    assert "1 suspects" not in str(page) and "1 suspects" not in page.words


def test_models_of_no_common_class_and_a_zoo_of_constants(asked, sketched):
    _, lime, S = asked
    W = S[:2].reshape(2, 3, -1).copy()
    W[0, 0] = W[1, 1:] = np.nan
    page = Page(html_report(W.reshape(2, -1), lime))
    assert "No two models differ." in page.words
    assert {"2 of 3", "1 of 3"} <= set(page.cells)
    page = Page(html_report(np.zeros((3, S.shape[1])), lime))
    assert "Without a distance" in page.words


def test_texts_are_shown_as_text(tmp_path):
    texts = [f"a {EVIL} film", "no good at all", "it costs $5 & more"]

    def scores(batch, sign):
        return np.array([[len(t), sign * t.count("o"), t.count("a")] for t in batch], dtype=float)

    zoo = [CallableQuery(lambda t, s=s: scores(t, s), output="logits") for s in (1, -1)]
    lime = LimeSignatureTransformer(texts, n_samples=64, sampling="foldover")
    S = lime.fit_transform(zoo)
    lime.plan_.save(tmp_path / "plan")
    page = Page(html_report(S, QueryPlan.load(tmp_path / "plan")))
    assert page.tags.count("script") == 1
    assert page.tags.count("mark") == lime.plan_.n_components
    assert page.tags.count("img") == 2  # texts are not pictures
    for text in texts:
        assert text in page.words
    assert "” adds most." in page.words


def test_signatures_of_scores_have_no_parts_to_show(asked, sketched):
    zoo, lime, _ = asked
    lime = LimeSignatureTransformer(
        lime.reference, n_reference=4, n_samples=16, surrogate="passthrough"
    )
    page = Page(html_report(lime.fit_transform(zoo[:2]), lime))
    assert "not a part that could be shown" in page.words
    assert page.tags.count("img") == 2


# ---------------------------------------------------------------- the object


def test_report_shows_itself_in_a_frame_of_its_own(asked, sketched, tmp_path):
    _, lime, S = asked
    report = html_report(S[:2], lime, title=f"Ours {EVIL}")
    assert len(repr(report)) < 120 and repr(report).startswith("<HtmlReport 'Ours <script>")
    page = Page(report._repr_html_())
    assert page.tags == ["iframe"]
    assert page.of("iframe", "srcdoc") == [str(report)]
    assert page.of("iframe", "title") == [f"Ours {EVIL}"]
    assert page.of("iframe", "sandbox") == ["allow-scripts"]  # and nothing else
    report.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == str(report)
    with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist; make it first"):
        report.save(tmp_path / "none" / "page.html")


def test_long_names_may_break_and_lose_their_middle_in_tables(asked, sketched):
    _, lime, S = asked
    long = "model-" * 40
    report = html_report(S[:3], lime, labels=[long, "b", "c"])
    page = Page(report)
    assert page.cells.count(long) == 1  # whole in the table of models
    assert sum("…" in cell for cell in page.cells) >= 3  # shortened in pairs and the matrix
    assert long in page.of("bdi", "title")
    for rule in ("p, li { max-width: 46rem; overflow-wrap: anywhere; }", "minmax(0, 1fr)"):
        assert rule in str(report)


def test_small_numbers_are_not_written_as_zero(asked, sketched):
    _, lime, S = asked
    near = S[1] + 1e-3 * np.random.default_rng(0).normal(size=S[1].shape)
    words = Page(html_report(np.stack([S[1], near]), lime.plan_)).words
    assert "Nearest: model 0 and model 1, at " in words
    assert "at 0 [" not in words and "at 0.00" not in words
    assert "<.001" in words


def test_undefined_distances_are_explained(asked, sketched):
    _, lime, S = asked
    decisions = ReuseDetector(null="lognormal").fit([0.18, 0.22, 0.19, 0.21, 0.2, 0.17])
    report = html_report(S, lime, decisions=decisions.judge([0.02, np.nan]))
    words = Page(report).words
    assert "nan" not in words.replace("(NaN)", "").lower()
    assert "no distance (NaN), as for a constant model" in words
    assert "Distances between all models (–: undefined)" in words


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"pair": 3}, TypeError, r"pair must be two positions of models, such as \(0, 1\); got 3"),
        ({"pair": "ab"}, TypeError, r"pair must be two positions .*labels\.index\(label\)"),
        ({"pair": (0, 1, 2)}, TypeError, "pair must be two positions"),
        ({"pair": (0.0, 1)}, TypeError, "each position of pair must be an integer; got 0.0"),
        ({"pair": (True, 0)}, TypeError, "each position of pair must be an integer; got True"),
        ({"pair": (1, 1)}, ValueError, "two different positions from 0 to 1"),
        ({"pair": (-1, 0)}, ValueError, "each position of pair must be at least 0"),
        ({"date": "2026-01-31"}, TypeError, r"date must be a datetime\.date or None"),
        ({"labels": ["a"]}, ValueError, "labels has 1 entries for 2 models"),
        ({"groups": ["a"]}, ValueError, "groups has 1 entries for 2 models"),
        ({"classes": ["a"]}, ValueError, r"classes has shape \(1,\); expected \(3,\)"),
        ({"decisions": ["reused"]}, TypeError, "decisions must be what judge"),
        ({"path": "/no/such/folder/page.html"}, FileNotFoundError, "does not exist"),
    ],
)
def test_wrong_arguments_are_refused_before_a_model_is_asked(asked, params, error, match):
    _, lime, _ = asked
    X = lime.reference
    zoo = [
        CountedRegression().fit(X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)) for _ in range(2)
    ]
    CountedRegression.n_rows = 0
    with pytest.raises(error, match=match):
        html_report(zoo, lime, **params)
    assert CountedRegression.n_rows == 0


def test_dates_of_all_kinds(asked, sketched):
    _, lime, S = asked
    for date in (datetime.date(2026, 1, 31), datetime.datetime(2026, 1, 31, 12)):
        assert "2026-01-31 ·" in Page(html_report(S[:1], lime, date=date)).words
    remedy = datetime.date.fromisoformat("2026-01-31")
    assert "2026-01-31 ·" in Page(html_report(S[:1], lime, date=remedy)).words


def test_bad_input_is_refused(asked):
    zoo, lime, S = asked
    with pytest.raises(TypeError, match="asked must be a fitted LimeSignatureTransformer"):
        html_report(S, "plan")
    with pytest.raises(TypeError, match="a plan cannot ask models"):
        html_report(zoo, lime.plan_)
    with pytest.raises(TypeError, match="models is a single LogisticRegression"):
        html_report(zoo[0], lime)
    with pytest.raises(ValueError, match=r"signatures have shape \(5, 7\)"):
        html_report(S[:, :7], lime)
    with pytest.raises(ValueError, match="labels has 1 entries for 5 models"):
        html_report(S, lime, labels=["a"])
    with pytest.raises(ValueError, match=r"pair=\(0, 9\) must be two different .* 0 to 4"):
        html_report(S, lime, pair=(0, 9))
    with pytest.raises(ValueError, match="have no distance"):
        html_report(S, lime, pair=(0, 4))
    with pytest.raises(TypeError, match="decisions must be what judge"):
        html_report(S, lime, decisions="reused")
    with pytest.raises(ValueError, match=r"classes has shape \(2,\); expected \(3,\)"):
        html_report(S, lime, classes=["a", "b"])


def test_folder_is_checked_before_anything_is_asked(tmp_path):
    lime = LimeSignatureTransformer(np.eye(4), n_samples=16)
    with pytest.raises(FileNotFoundError, match=r"the folder .*none does not exist"):
        html_report(["no model"], lime, tmp_path / "none" / "report.html")
