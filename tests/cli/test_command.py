"""The command: its exit status as a process, and in this process what each form prints."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from inference_server import InferenceServer
from PIL import Image

from skzest import QueryPlan, __version__
from skzest.baselines import Scores, ask_copies, plan_of_points
from skzest.cli import main
from skzest.cli._signed import SignedModel

ROOT = Path(__file__).parents[2]
FORMS = ("compare", "plan", "sign", "answer", "check", "nearest", "judge")

MODELS = """
import warnings

import numpy as np

W = np.random.default_rng(0).normal(size=(6, 3))


class Linear:
    def __init__(self, *seeds, classes=(0, 1, 2)):
        shift = [np.random.default_rng(s).normal(size=W.shape) for s in seeds]
        self.W, self.classes_ = W + sum(shift), np.array(classes)

    def predict_proba(self, X):
        power = np.exp(np.asarray(X) @ self.W)
        return power / power.sum(axis=1, keepdims=True)


class Nested:
    inside = Linear()


def function(X):
    return Linear().predict_proba(X)


def logits(X):
    return np.asarray(X) @ W


def chatty(X):
    print("I was asked")
    return function(X)


def broken(X):
    raise RuntimeError("two\\nlines")


def strict(X):
    if np.shape(X)[1] != 6:
        raise ValueError(f"X has {np.shape(X)[1]} features, but 6 are expected")
    return function(X)


def noisy(X):
    warnings.warn(f"line {1}", UserWarning)
    warnings.warn("for authors", ResourceWarning)
    warnings.warn("for authors", DeprecationWarning)
    return function(X)


def halve(X):
    return X / 2


old, new, other = Linear(), Linear(), Linear(1)
new.W = old.W * 1.01 + 0.01
named = Linear(classes=("a", "b", "c"))
fewer = Linear(classes=(0, 1, 5))
constant = Linear()
constant.W = np.zeros_like(W)
zoo = {f"zoo_{i}": Linear(i) for i in range(2, 8)}
globals().update(zoo)
unrelated = list(zoo)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with models, data, a plan and a signature."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_models.py").write_text(MODELS)
    (folder / "exits.py").write_text("raise SystemExit(0)")
    rows = np.random.default_rng(1).normal(size=(40, 6))
    np.save(folder / "rows.npy", rows)
    for name, arguments in {
        "plan": ["rows.npy", "-o", "plan.npz", "--points", "8"],
        "sign": ["shop_models:old", "--plan", "plan.npz", "-o", "old.sig.npz"],
    }.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
                assert main([name, *arguments]) == 0, err.getvalue()
        assert re.search(r"digest [0-9a-f]{64}\n$", out.getvalue()) and not err.getvalue()
    return folder


def skzest(folder, *arguments):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [sys.executable, "-m", "skzest", *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """The command in this process: status, standard output, standard error."""
    monkeypatch.chdir(folder)

    def run(*arguments):
        try:
            status = main([str(a) for a in arguments])
        except SystemExit as error:  # argparse
            status = error.code
        return status, *capsys.readouterr()

    return run


def error_of(outcome):
    """The one line of an error, and nothing else."""
    status, out, err = outcome
    assert status == 2 and out == ""
    assert err.endswith("\n") and err.count("\n") == 1 and "Traceback" not in err
    return err


# --- processes -------------------------------------------------------------------------------


def test_compare_as_a_process(folder):
    models = ["shop_models:old", "shop_models:new", "shop_models:other"]
    done = skzest(folder, "compare", *models, "--reference", "rows.npy", "--points", "8", "--json")
    assert done.returncode == 0 and done.stderr == ""
    found = json.loads(done.stdout)
    names = {"models", "distances", "digest", "n_questions", "classes_of_some_models"}
    assert set(found) == names
    assert found["models"] == models
    assert found["digest"] == QueryPlan.load(folder / "plan.npz").digest
    D = np.array(found["distances"])
    assert D.shape == (3, 3) and np.array_equal(D, D.T) and (np.diag(D) == 0).all()
    assert D[0, 1] < 0.05 < D[0, 2]


def test_an_error_as_a_process(folder):
    done = skzest(folder, "plan", "nothing.npy", "-o", "p.npz")
    err = error_of((done.returncode, done.stdout, done.stderr))
    assert err.startswith("skzest plan: error: ")


# --- what each form prints -------------------------------------------------------------------


CHECK = ("--against", "old.sig.npz", "--max-distance", "0.05")


def test_check_of_another_model(run):
    status, out, err = run("check", "shop_models:other", *CHECK)
    assert status == 1 and err == ""
    assert out.startswith("### shop\\_models:other is far from old.sig.npz\n")


def test_check_of_a_copy(run):
    status, out, err = run("check", "shop_models:new", *CHECK)
    assert status == 0 and err == ""
    assert out.startswith("### shop\\_models:new is near old.sig.npz\n")


def test_judge(run):
    unrelated = [f"shop_models:zoo_{i}" for i in range(2, 8)]
    suspects = ["shop_models:new", "shop_models:other"]
    status, out, err = run(
        *("judge", "--owner", "shop_models:old", "--unrelated", *unrelated),
        *("--suspect", *suspects, "--reference", "rows.npy", "--points", "8"),
        *("--null", "lognormal", "--json"),
    )
    assert status == 0, err
    found = json.loads(out)
    assert [one["model"] for one in found["suspects"]] == suspects
    assert found["suspects"][0]["decision"] == "reused"
    assert 0 <= found["suspects"][0]["distance"] < found["suspects"][1]["distance"]
    assert found["suspects"][1]["decision"] != "reused"


@pytest.mark.parametrize("form", FORMS)
def test_errors_of_every_form_take_one_line_and_status_2(run, form):
    arguments = {
        "compare": ["shop_models:old", "shop_models:nobody", "--reference", "rows.npy"],
        "plan": ["nothing.npy", "-o", "p.npz"],
        "sign": ["shop_models:old", "--plan", "rows.npy", "-o", "s.npz"],
        "answer": ["shop_models:old", "--plan", "rows.npy", "-o", "a.npz"],
        "check": ["shop_models:old", "--against", "rows.npy", "--max-distance", "1"],
        "nearest": ["old.sig.npz", "--among", "rows.npy"],
        "judge": [
            *("--owner", "shop_models:old", "--unrelated", "shop_models:other"),
            *("--suspect", "shop_models:new", "--reference", "rows.npy"),
        ],
    }[form]
    assert error_of(run(form, *arguments)).startswith(f"skzest {form}: error: ")


@pytest.mark.parametrize("form", ["", *FORMS])
def test_help_has_examples_that_parse(run, form):
    from skzest.cli._parser import parse

    status, out, err = run(*([form] if form else []), "--help")
    assert status == 0 and err == ""
    examples = re.findall(r"^  skzest (.*)$", out, flags=re.MULTILINE)
    assert examples
    for example in examples:
        parse(example.partition(" >>")[0].split())
    assert max(map(len, out.splitlines())) <= 100


def test_version(run):
    assert run("--version") == (0, f"skzest {__version__}\n", "")


# --- compare ---------------------------------------------------------------------------------


def test_table_of_distances(run):
    status, out, err = run(
        *("compare", "shop_models:old", "shop_models:other", "--reference", "rows.npy"),
        *("--points", 8),
    )
    head, first, second, note = out.splitlines()
    assert head.split() == ["shop_models:old", "shop_models:other"]
    assert first.split()[1] == second.split()[2] == "0"
    assert first.split()[2] == second.split()[1] and float(first.split()[2]) > 0.05
    assert note.startswith("256 questions to each model about 8 reference points, digest ")
    assert (status, err) == (0, "")


def test_report_is_a_page(run, folder):
    status, out, _ = run(
        *("compare", "shop_models:old", "shop_models:other", "--reference", "rows.npy"),
        *("--points", 8, "--report", "page.html"),
    )
    page = (folder / "page.html").read_text()
    assert status == 0 and out and "shop_models:other" in page
    told = error_of(
        run(
            *("compare", "shop_models:old", "shop_models:broken", "--reference", "rows.npy"),
            *("--report", "nowhere/page.html"),
        )
    )
    assert "nowhere/page.html: there is no such folder" in told  # before any model was asked


def test_distances_that_are_not_defined_are_null(run):
    status, out, err = run(
        *("compare", "shop_models:old", "shop_models:constant", "--reference", "rows.npy"),
        *("--points", 8, "--json"),
    )
    assert status == 0 and json.loads(out)["distances"][0][1] is None
    assert err.startswith("skzest: warning: models[1]") and err.count("\n") == 1


def distance(run, *arguments):
    status, out, err = run(
        "compare", *arguments, "--reference", "rows.npy", "--points", 8, "--json"
    )
    assert status == 0, err
    return json.loads(out)["distances"][0][1]


def test_what_models_print_is_not_a_result(run):
    chatty = ("compare", "shop_models:old", "shop_models:chatty", "--reference", "rows.npy")
    status, out, err = run(*chatty, "--points", 8, "--json")
    assert status == 0 and json.loads(out) and "I was asked" in err


def test_warnings_are_shown_once_and_those_for_authors_are_not(run):
    noisy = ("compare", "shop_models:noisy", "shop_models:noisy", "--reference", "rows.npy")
    assert run(*noisy, "--points", 8)[2] == "skzest: warning: line 1\n"


def test_classes_that_some_models_lack_are_named(run):
    fewer = ("compare", "shop_models:old", "shop_models:fewer", "--reference", "rows.npy")
    _, out, _ = run(*fewer, "--points", 8)
    assert "classes that some models lack, and that count between the others only: 2, 5" in out
    _, out, _ = run(*fewer, "--points", 8, "--json")
    assert json.loads(out)["classes_of_some_models"] == [2, 5]
    _, out, _ = run(*fewer[:2], *fewer[1:2], *fewer[3:], "--points", 8, "--json")
    assert json.loads(out)["classes_of_some_models"] == []


def test_functions_and_nested_objects_are_models(run):
    assert distance(run, "shop_models:old", "shop_models:function") < 1e-9
    assert distance(run, "shop_models:old", "shop_models:Nested.inside") < 1e-9


def test_arguments_of_models(run):
    two = ("shop_models:logits", "shop_models:logits")
    assert distance(run, *two, "--model-arg", "output=logits") == 0
    classes = ("--model-arg", "output=logits", "--classes", "a,b,c")
    assert distance(run, *two, *classes) == 0
    told = error_of(run("compare", *two, "--reference", "rows.npy", "--classes", "a,a,b"))
    assert "more than once" in told
    only_functions = ("--reference", "rows.npy", "--model-arg", "output=logits")
    told = error_of(run("compare", "shop_models:old", "shop_models:new", *only_functions))
    assert "shop_models:old: " in told and "'output'" in told


def test_preprocess_is_a_function_by_name(run):
    halved = ("--preprocess", "shop_models:halve")
    assert distance(run, "shop_models:old", "shop_models:new", *halved) > 0
    both = ("compare", "shop_models:old", "shop_models:new", "--reference", "rows.npy")
    assert "is not of the form" in error_of(run(*both, "--preprocess", "halve"))


def test_seed_and_sampling_choose_the_questions(run):
    both = ("compare", "shop_models:old", "shop_models:new", "--reference", "rows.npy", "--json")
    digests = [
        json.loads(run(*both, "--points", 8, *more)[1])["digest"]
        for more in ((), ("--seed", 1), ("--sampling", "bernoulli", "--masks", 40), ())
    ]
    assert digests[0] == digests[3] and len(set(digests)) == 3


def test_answers_are_kept_in_a_cache(run, tmp_path):
    pytest.importorskip("urllib3")
    with InferenceServer(lambda X: X[:, :3] * 2) as server:
        two = ("compare", server.url, server.url, "--reference", "rows.npy", "--points", 8)
        params = ("--model-arg", "output=logits", "--cache", tmp_path / "answers.sqlite")
        assert "model_id=" in error_of(run(*two, *params))
        assert server.n_received == 0
        params += ("--model-arg", "model_id=m")
        assert run(*two, *params)[0] == 0
        received = server.n_received
        assert run(*two, *params)[0] == 0
        assert server.n_received - received < 100


def test_address_is_a_model(run, monkeypatch):
    pytest.importorskip("urllib3")
    with InferenceServer(lambda X: X[:, :3] * 2, token="secret-token") as server:
        two = ("compare", server.url, server.url, "--reference", "rows.npy", "--points", 8)
        two += ("--model-arg", "output=logits", "--json")
        assert "answered 401" in error_of(run(*two))
        assert "no variable SKZEST_TOKEN" in error_of(run(*two, "--token-env", "SKZEST_TOKEN"))
        monkeypatch.setenv("SKZEST_TOKEN", "secret-token")
        status, out, _ = run(*two, "--token-env", "SKZEST_TOKEN")
        assert status == 0 and json.loads(out)["distances"][0][1] == 0
        assert "secret-token" not in out
        limited = run(*two, "--token-env", "SKZEST_TOKEN", "--max-questions", 50)
        assert "max_questions=50 is reached" in error_of(limited)


@pytest.mark.parametrize(
    ("model", "fact"),
    [
        ("shop_models:nobody", "shop_models has no nobody"),
        ("no_such_module:model", "No module named 'no_such_module'"),
        ("exits:model", r"importing exits raised SystemExit"),
        ("shop_models:", "is not of the form package.module:object"),
        ("shop_models:Linear", "is a class"),
        ("shop_models:broken", "RuntimeError: two lines"),
    ],
)
def test_models_that_cannot_be_had_are_named(run, model, fact):
    told = error_of(run("compare", "shop_models:old", model, "--reference", "rows.npy"))
    assert re.search(fact, told)


def test_files_are_models(run, folder, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from model_files import linear

    for name, seed in (("a", 0), ("b", 1)):
        (folder / f"{name}.onnx").write_bytes(linear([None, 6], 6, seed=seed))
    (folder / "a.pkl").write_bytes(pickle.dumps(Bomb()))
    assert distance(run, "a.onnx", "a.onnx") == 0
    assert distance(run, "a.onnx", "b.onnx") > 0.05
    status, out, _ = run("compare", "a.onnx", "b.onnx", "--reference", "rows.npy", "--points", 8)
    assert status == 0 and out.split()[:2] == ["a.onnx", "b.onnx"]
    told = error_of(run("compare", "a.onnx", "a.pkl", "--reference", "rows.npy"))
    assert "pickle" in told and "BOOM" not in told
    assert "nothing.onnx" in error_of(run("sign", "nothing.onnx", "--plan", "plan.npz", "-o", "x"))


def test_remedies_are_written_as_options_and_work(run, folder):
    pytest.importorskip("skops")
    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    X = np.load(folder / "rows.npy")
    forest = RandomForestClassifier(3, random_state=0).fit(X, X[:, 0] > 0)
    skops.io.dump(forest, folder / "forest.skops")
    (folder / "forest.pkl").write_bytes(pickle.dumps(forest))
    for name in ("forest.skops", "forest.pkl"):
        two = ("compare", name, name, "--reference", "rows.npy", "--points", 8)
        told = error_of(run(*two))
        (remedy,) = re.findall(r'On the command line: (--model-arg) "(trust.*)"\.$', told)
        assert run(*two, *remedy)[0] == 0
    assert "was not opened" in error_of(run(*two, "--model-arg", "trust=False"))


def test_trust_is_for_the_models_that_are_files(run, folder):
    from sklearn.linear_model import LogisticRegression

    X = np.load(folder / "rows.npy")
    model = LogisticRegression().fit(X, np.arange(40) % 3)
    (folder / "mine.pkl").write_bytes(pickle.dumps(model))
    mixed = ("shop_models:old", "shop_models:function", "mine.pkl", "--reference", "rows.npy")
    assert "was not opened" in error_of(run("compare", *mixed, "--points", 8))
    trusted = ("--points", 8, "--model-arg", "trust=True")
    status, out, err = run("compare", *mixed, *trusted)
    assert (status, err) == (0, "") and "mine.pkl" in out
    told = error_of(run("compare", *mixed[:2], *mixed[3:], *trusted))
    assert "shop_models:old: a model of this kind does not take 'trust'" in told
    address = "http://localhost:1/v2/models/a"
    told = error_of(run("compare", address, address, *mixed[3:], *trusted))
    assert f"{address}: a model of this kind does not take 'trust'" in told
    told = error_of(run("compare", *mixed, *trusted, "--model-arg", "outputs=logits"))
    assert "Did you mean output?" in told


@pytest.mark.parametrize(
    "trusted",
    ['["sklearn.tree._tree.Tree"]', "['sklearn.tree._tree.Tree']", "sklearn.tree._tree.Tree"],
)
def test_values_are_read_however_they_are_quoted(trusted):
    from skzest.cli._parser import parse

    options = parse(["sign", "m", "--plan", "p", "-o", "s", "--model-arg", f"trusted={trusted}"])
    ((_, value),) = options.model_arg
    assert value in (["sklearn.tree._tree.Tree"], "sklearn.tree._tree.Tree")


@pytest.mark.parametrize("model", ["a.onnx", "shop_models:old", "shop_models:function"])
def test_parameters_that_a_model_does_not_take_are_named(run, folder, model):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from model_files import linear

    (folder / "a.onnx").write_bytes(linear([None, 6], 6, seed=0))
    sign = ("sign", model, "--plan", "plan.npz", "-o", "x", "--model-arg")
    told = error_of(run(*sign, "outputs=logits"))
    assert f"{model}: " in told and "--model-arg outputs" in told and "__init__" not in told
    assert "Did you mean output?" in told
    if model == "shop_models:old":
        told = error_of(run(*sign[:-1], "--classes", "a,b,c"))
        assert "does not take 'classes' (--classes)" in told


# --- data ------------------------------------------------------------------------------------


def test_folder_of_images(run, folder, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(4):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    status, _, err = run(
        *("plan", tmp_path, "-o", "images.npz", "--points", 3, "--masker", "image"),
        *("--masker-arg", "segmenter=grid", "--size", "8x8"),
    )
    assert (status, err) == (0, "")
    plan = QueryPlan.load(folder / "images.npz")
    assert plan.point(0).shape == (8, 8, 3) and set(plan.n_parts) == {16}


def test_columns_are_named_where_a_model_does_not_take_the_table(run, folder):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.load(folder / "rows.npy"), columns=list("abcdef"))
    frame.assign(kind=range(40)).to_csv(folder / "labelled.csv", index=False)
    frame.to_csv(folder / "numbered.csv")
    two = ("compare", "shop_models:strict", "shop_models:strict", "--points", 8, "--reference")
    told = error_of(run(*two, "labelled.csv"))
    assert "'f', 'kind'; --label kind would leave out the last" in told
    assert run(*two, "labelled.csv", "--label", "kind")[0] == 0
    status, _, err = run(*two, "numbered.csv")
    assert status == 0 and "the first column has no name and numbers the rows" in err
    run("plan", "labelled.csv", "--points", 8, "-o", "labelled.npz")
    told = error_of(run("sign", "shop_models:strict", "--plan", "labelled.npz", "-o", "x"))
    assert "skzest plan --label kind" in told


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--size", "8"], "argument --size: '8' is not a size such as 32x32"),
        (["--points", "few"], "argument --points: 'few' is not a whole number"),
        (["--clip", "1%"], "argument --clip: '1%' is not a number such as 0.05"),
        (["--points", "0"], "argument --points: 0 is not at least 1"),
        (["--points", "99"], "n_reference=99"),
        (["--masks", "few"], "argument --masks"),
        (["--masker-arg", "fill"], "'fill' is not KEY=VALUE"),
        (["--masker-arg", "fill=zero"], "--masker-arg needs --masker"),
        (["--masker", "table", "--masker-arg", "full=zero"], "--masker table: .*full"),
        (["--masker", "sound"], "--masker sound: .*sample_rate"),
    ],
)
def test_options_of_questions_are_checked(run, arguments, fact):
    told = error_of(run("plan", "rows.npy", "-o", "p.npz", *arguments))
    assert re.search(fact, told)


# --- plan, sign, check -----------------------------------------------------------------------


def test_signature_holds_nothing_of_the_model(folder):
    with np.load(folder / "old.sig.npz", allow_pickle=False) as file:
        assert set(file.files) == {"format", "signature", "classes", "digest", "n_questions"}
    signed = SignedModel.load(folder / "old.sig.npz")
    plan = QueryPlan.load(folder / "plan.npz")
    assert signed.signature.shape == (3, plan.n_components)
    assert signed.classes.tolist() == [0, 1, 2] and signed.digest == plan.digest
    assert signed.n_questions == plan.n_queries
    assert b"shop" not in (folder / "old.sig.npz").read_bytes()


def test_summary_is_markdown_with_interval_parts_and_classes(run):
    status, out, _ = run(
        *("check", "shop_models:other", "--against", "old.sig.npz", "--max-distance", 0.05)
    )
    facts = dict(re.findall(r"^\| (\S[^|]*) \| ([^|]*) \|$", out, flags=re.MULTILINE))
    low, high = map(float, facts["95% interval"].split(" to "))
    assert status == 1 and low < float(facts["distance"]) < high and facts["limit"] == "0.05"
    parts, classes = out.split("Parts that changed most:")[1].split("Classes that changed most:")
    assert (
        len(re.findall(r"^\| [\d.]+% \| [012] \| \d \(row \d+\) \| column \d \|$", parts, re.M))
        == 5
    )
    shares = re.findall(r"^\| ([\d.]+)% \| [012] \|$", classes, re.M)
    assert len(shares) == 3 and abs(sum(map(float, shares)) - 100) < 0.2


def test_same_model_has_not_changed(run):
    status, out, _ = run(
        *("check", "shop_models:old", "--against", "old.sig.npz", "--max-distance", 1e-9)
    )
    assert status == 0 and "| distance | 0 |" in out and "changed" not in out


def test_classes_are_matched_by_label(run):
    check = ("--against", "old.sig.npz", "--max-distance", 0.05)
    status, out, _ = run("check", "shop_models:fewer", *check)
    assert status == 0 and "| classes of one model only | 2, 5 |" in out
    told = error_of(run("check", "shop_models:named", *check))
    assert "numbers in old.sig.npz ([0, 1, 2]) and text in shop_models:named (['" in told
    # The remedies that the message names.
    assert "--classes A,B,..." in told and "MODULE:OBJECT.predict_proba" in told
    for remedied in ("shop_models:function", "shop_models:named.predict_proba"):
        assert run("check", remedied, *check, "--classes", "0,1,2")[0] == 0


@pytest.mark.parametrize(
    ("option", "file", "fact"),
    [
        ("--against", "nowhere.npz", "nowhere.npz: No such file"),
        ("--against", "plan.npz", "it is a plan"),
        ("--against", "rows.npy", "it is not an archive of arrays"),
        ("--against", "other.npz", "it has no format, signature, classes, digest or n_questions"),
        ("--plan", "nowhere.npz", "nowhere.npz: No such file"),
        ("--plan", "old.sig.npz", "it is a signature"),
        ("--plan", "rows.npy", "it is not an archive of arrays"),
        ("--plan", "other.npz", "it holds a and b"),
        ("--max-distance", "5%", "'5%' is not a number such as 0.05"),
        ("--max-distance", "-1", "-1 is not 0 or more"),
        ("--max-distance", "nan", "nan is not 0 or more"),
        ("--level", "much", "'much' is not a number"),
    ],
)
def test_wrong_files_and_numbers_are_told_in_words(run, folder, option, file, fact):
    np.savez(folder / "other.npz", a=np.ones(2), b=np.ones(2))
    told = error_of(run("check", "shop_models:old", *CHECK, option, file))
    assert fact in told
    assert not re.search(r"Errno|KeyError|context manager|pickle|_[a-z]+ value", told)


def test_limit_of_0_accepts_an_equal_model_only(run):
    exact = ("--against", "old.sig.npz", "--max-distance", 0)
    assert run("check", "shop_models:old", *exact)[0] == 0
    assert run("check", "shop_models:other", *exact)[0] == 1


def test_signatures_among_models_lead_to_check(run):
    told = error_of(run("compare", "old.sig.npz", "shop_models:old", "--reference", "rows.npy"))
    assert "skzest check MODEL --against old.sig.npz" in told
    data = bytearray(Path("old.sig.npz").read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start : start + 4] = bytes(4)
    Path("damaged.npz").write_bytes(data)
    told = error_of(run("compare", "damaged.npz", "shop_models:old", "--reference", "rows.npy"))
    assert "damaged.npz was not opened" in told


@pytest.mark.parametrize("form", ["sign", "answer", "check", "nearest"])
def test_help_explains_data_only_where_it_is_taken(run, form):
    assert "DATA" not in run(form, "--help")[1] and "DATA is" in run("compare", "--help")[1]


def test_constant_model_is_an_error_and_not_near(run):
    status, out, err = run(
        *("check", "shop_models:constant", "--against", "old.sig.npz", "--max-distance", 0.05)
    )
    assert (status, out) == (2, "") and "same scores to every question" in err


def test_plan_is_found_beside_the_signature_and_must_be_its_own(run, folder, tmp_path):
    alone = tmp_path / "old.sig.npz"
    alone.write_bytes((folder / "old.sig.npz").read_bytes())
    check = ("check", "shop_models:new", "--against", alone, "--max-distance", 0.05)
    assert "no plan beside the signature; pass --plan" in error_of(run(*check))
    assert run(*check, "--plan", folder / "plan.npz")[0] == 0
    run("plan", "rows.npy", "-o", tmp_path / "plan.npz", "--points", 4)
    assert "answers other questions (digest " in error_of(run(*check))


class Bomb:
    def __reduce__(self):
        return print, ("BOOM",)


FIELDS = {
    "format": 1,
    "signature": np.ones((3, 4)),
    "classes": np.arange(3),
    "digest": "0" * 64,
    "n_questions": 5,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 99),
        ("format", "one"),
        ("signature", np.ones(3)),
        ("signature", np.full((3, 4), np.inf)),
        ("signature", np.ones((3, 4), dtype=int)),
        ("signature", np.array([[1.0, np.nan]] * 3)),
        ("classes", np.arange(4)),
        ("classes", np.zeros(3)),
        ("classes", np.ones((3, 1))),
        ("digest", "xyz"),
        ("digest", np.array(["0" * 64])),
        ("n_questions", 0),
        ("n_questions", np.ones(2, int)),
    ],
)
def test_signatures_of_strangers_are_checked_field_by_field(tmp_path, field, value):
    np.savez(tmp_path / "good.npz", **FIELDS)
    SignedModel.load(tmp_path / "good.npz")
    np.savez(tmp_path / "bad.npz", **{**FIELDS, field: value})
    with pytest.raises(ValueError, match=rf"bad.npz: {field} is not"):
        SignedModel.load(tmp_path / "bad.npz")


def test_pickles_in_signatures_are_not_run(tmp_path, capsys):
    np.savez(tmp_path / "bad.npz", **{**FIELDS, "classes": np.array([Bomb()] * 3, dtype=object)})
    (tmp_path / "worse.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("bad.npz", "worse.npz"):
        with pytest.raises(ValueError, match="is not a signature"):
            SignedModel.load(tmp_path / name)
    assert "BOOM" not in capsys.readouterr().out
    pickle.loads(pickle.dumps(Bomb()))
    assert "BOOM" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["plan", "sign", "answer"])
def test_folders_of_results_are_checked_first(run, form):
    asked = ["rows.npy"] if form == "plan" else ["shop_models:broken", "--plan", "plan.npz"]
    assert "-o nowhere/x.npz: there is no such folder" in error_of(
        run(form, *asked, "-o", "nowhere/x.npz")
    )


@pytest.mark.parametrize("form", FORMS)
def test_mistakes_name_the_help_of_their_command(run, form):
    for arguments in ([], ["a", "--colour", "red", "-o", "b"]):
        assert f"(see skzest {form} --help)" in error_of(run(form, *arguments))


# --- answer ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(folder):
    """A plan of whole points, as rehearsed questions are, in whole.npz."""
    plan = plan_of_points(np.load(folder / "rows.npy"), "label")
    plan.save(folder / "whole.npz")
    return plan


def test_answers_are_those_of_ask_copies(run, whole):
    answer = ("answer", "shop_models:old", "--plan", "whole.npz", "-o", "answers.npz")
    status, out, err = run(*answer)
    assert (status, err) == (0, "")
    assert out == f"answers.npz: 3 classes, 40 questions\ndigest {whole.digest}\n"
    old = sys.modules["shop_models"].old
    scores = Scores.load("answers.npz", whole)
    np.testing.assert_array_equal(scores.values, ask_copies([old], whole).values)
    assert run(*answer[:1], "shop_models:named", *answer[2:])[0] == 0
    assert Scores.load("answers.npz", whole).classes.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("form", ["sign", "check"])
def test_a_plan_of_whole_points_has_answers_and_no_signature(run, whole, folder, form):
    signed = {**FIELDS, "signature": np.zeros((3, 40)), "digest": whole.digest}
    np.savez(folder / "zeros.npz", **signed)
    made = ("-o", "x") if form == "sign" else ("--against", "zeros.npz", "--max-distance", 1)
    told = error_of(run(form, "shop_models:broken", "--plan", "whole.npz", *made))
    (remedy,) = re.findall(r"skzest (answer MODEL --plan FILE -o FILE)\.$", told)
    words = remedy.replace("MODEL", "shop_models:old").replace("FILE", "whole.npz", 1)
    assert run(*words.replace("FILE", "answers.npz").split())[0] == 0


# --- plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_columns", "remedy"),
    [
        (64, "--masker image --masker-arg image_shape=8,8"),
        (192, "--masker image --masker-arg image_shape=8,8,3"),
        (1001, "--masker sound --masker-arg sample_rate=200"),
        (64, "--masker table"),
        (48, ""),
    ],
)
def test_flat_images_and_sounds_are_no_table_without_a_word(run, folder, n_columns, remedy):
    np.save(folder / "flat.npy", np.random.default_rng(0).random((2, n_columns)))
    plan = ("plan", "flat.npy", "-o", "flat_plan.npz")
    status, _, err = run(*plan, *remedy.split())
    assert (status, err) == (0, "")
    if remedy:
        warning = run(*plan)[2].splitlines()[0]
        assert f"flat.npy holds rows of {n_columns:,} columns" in warning
        assert remedy.replace("=200", "=...") in warning


# --- nearest ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed(folder):
    """Signatures of four models, one of which lacks a class."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()):
        patch.chdir(folder)
        for name in ("new", "other", "fewer"):
            sign = ["sign", f"shop_models:{name}", "--plan", "plan.npz", "-o", f"{name}.sig.npz"]
            assert main(sign) == 0
    return ["new.sig.npz", "other.sig.npz", "fewer.sig.npz"]


def test_nearest_of_signed_models(run, signed):
    status, out, err = run("nearest", "old.sig.npz", "new.sig.npz", "--among", *signed, "-n", 2)
    assert (status, err) == (0, "")
    head, *lines, note = out.splitlines()
    assert head.split() == ["nearest", "distance"]
    assert [line.split()[0] for line in lines[::2]] == ["old.sig.npz", "new.sig.npz"]
    assert "new.sig.npz" in [line.split()[-2] for line in lines[:2]]
    assert "new.sig.npz" not in [line.split()[-2] for line in lines[2:]]  # not its own neighbour
    assert re.fullmatch("among 2 to 3 other models, digest [0-9a-f]{8}", note)
    _, out, _ = run("nearest", "./new.sig.npz", "--among", "new.sig.npz", "other.sig.npz", "-n", 9)
    assert len(out.splitlines()) == 3 and "among 1 other model, fewer than -n 9, digest" in out
    _, out, _ = run("nearest", "new.sig.npz", "--among", *signed, "-n", 3)
    assert len(out.splitlines()) == 4 and "among 2 other models, fewer than -n 3, digest" in out
    _, out, _ = run("nearest", "old.sig.npz", "--among", "new.sig.npz", "-n", 1)
    assert "among 1 model, digest" in out
    told = error_of(run("nearest", "new.sig.npz", "--among", "./new.sig.npz"))
    assert "--among holds nothing but new.sig.npz itself" in told


def test_nearest_as_json_are_those_of_compare(run, signed):
    status, out, _ = run("nearest", "old.sig.npz", "--among", *signed, "--json")
    found = json.loads(out)
    assert status == 0 and found["digest"] == SignedModel.load("old.sig.npz").digest
    (suspect,) = found["suspects"]
    assert suspect["model"] == "old.sig.npz"
    near = suspect["nearest"]
    assert sorted(model["model"] for model in near) == sorted(signed)  # three, although five asked
    distances = [model["distance"] for model in near]
    assert distances == sorted(distances) and distances[0] < 0.1 < distances[-1]


def test_labels_of_two_kinds_are_signed_again(run, signed):
    sign = ("sign", "--plan", "plan.npz", "-o", "named.sig.npz")
    assert run(*sign, "shop_models:named")[0] == 0
    nearest = ("nearest", "named.sig.npz", "--among", *signed)
    told = error_of(run(*nearest))
    assert "text in named.sig.npz (['" in told and "numbers in new.sig.npz ([0, 1, 2])" in told
    assert "Sign again with the labels of the columns: skzest sign --classes A,B,..." in told
    assert run(*sign, "shop_models:named.predict_proba", "--classes", "0,1,2")[0] == 0
    assert run(*nearest)[0] == 0


def test_a_model_in_place_of_a_signature_is_to_be_signed(run, signed):
    for files in (("shop_models:old", "--among", *signed), (*signed, "--among", "nowhere.onnx")):
        told = error_of(run("nearest", *files))
        assert (
            ": No such file. It must be a signature; sign a model first, with skzest sign" in told
        )


def test_signatures_under_another_plan_are_named(run, signed):
    assert run("plan", "rows.npy", "-o", "plan2.npz", "--points", 4)[0] == 0
    assert run("sign", "shop_models:old", "--plan", "plan2.npz", "-o", "old2.sig.npz")[0] == 0
    told = error_of(run("nearest", "old.sig.npz", "--among", *signed, "old2.sig.npz"))
    assert "old2.sig.npz answers other questions" in told and "under one plan" in told
    assert run("sign", "shop_models:old", "--plan", "plan.npz", "-o", "old2.sig.npz")[0] == 0
    assert run("nearest", "old.sig.npz", "--among", *signed, "old2.sig.npz")[0] == 0


# --- judge -----------------------------------------------------------------------------------


def test_decisions_are_a_table(run):
    unrelated = [f"shop_models:zoo_{i}" for i in range(2, 8)]
    status, out, _ = run(
        *("judge", "--owner", "shop_models:old", "--unrelated", *unrelated[:3]),
        *("--unrelated", *unrelated[3:], "--suspect", "shop_models:new"),
        *("--reference", "rows.npy", "--points", 8, "--null", "lognormal", "--alpha", 0.01),
    )
    assert status == 0 and re.search(r"^shop_models:new .* reused ", out, re.M)


def test_several_distances_decide_together(run):
    given = [
        *("judge", "--owner", "shop_models:old", "--unrelated"),
        *(f"shop_models:zoo_{i}" for i in range(2, 8)),
        *("--suspect", "shop_models:new", "--reference", "rows.npy", "--points", 8),
        *("--null", "lognormal", "--distances", "zest", "passthrough"),
    ]
    status, out, _ = run(*given)
    assert status == 0 and re.search(
        r"^shop_models:new .* reused .* by (zest|passthrough)", out, re.M
    )
    found = json.loads(run(*given, "--json")[1])
    (suspect,) = found["suspects"]
    assert suspect["decided_by"] and set(suspect["z"]) == {"zest", "passthrough"}
    assert suspect["distances"]["zest"] >= 0 and suspect["p_values"] < 0.05
    assert found["n_questions"] > 0


def test_mistakes_are_those_of_the_labels(run, folder):
    pd = pytest.importorskip("pandas")
    X = np.load(folder / "rows.npy")
    run("sign", "shop_models:old", "--plan", "plan.npz", "-o", "x")  # imports the module
    labels = sys.modules["shop_models"].old.predict_proba(X).argmax(axis=1)
    labels[:12] = (labels[:12] + 1) % 3
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(kind=labels)
    frame.to_csv(folder / "truth.csv", index=False)
    given = [
        *("judge", "--owner", "shop_models:old", "--unrelated"),
        *(f"shop_models:zoo_{i}" for i in range(2, 8)),
        *("--suspect", "shop_models:new", "shop_models:other", "--reference"),
    ]
    several = ("--points", 8, "--null", "lognormal", "--distances", "predictions", "mistakes")
    told = error_of(run(*given, "rows.npy", *several))
    assert told.endswith("pass y=. On the command line: --label NAME.\n")
    status, out, err = run(*given, "truth.csv", "--label", "kind", *several, "--json")
    assert status == 0, err
    new, other = json.loads(out)["suspects"]
    assert new["distances"]["mistakes"] < 0.2 < other["distances"]["mistakes"]
    assert new["decision"] == "reused" and new["p_values"] < other["p_values"]


def test_distances_are_those_that_need_no_weights():
    from skzest.baselines import BASELINES
    from skzest.cli._parser import _DISTANCES

    needs_more = {b.name for b in BASELINES.values() if b.asks == "weights"}
    assert set(_DISTANCES) == {"zest", *BASELINES} - needs_more


def test_too_few_unrelated_models_are_told_before_a_question(run):
    told = error_of(
        run(
            *("judge", "--owner", "shop_models:broken", "--unrelated", "shop_models:other"),
            *("shop_models:zoo_2", "--suspect", "shop_models:new", "--reference", "rows.npy"),
        )
    )
    assert "19" in told and "unrelated models are needed" in told
