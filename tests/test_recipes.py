# SPDX-License-Identifier: BSD-3-Clause
"""Every recipe of the guide is run as it stands, on small models, if its library is installed."""

import os
import re
from functools import partial
from pathlib import Path
from textwrap import dedent

import joblib
import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

PAGE = Path(__file__).parents[1] / "doc" / "user_guide" / "recipes.rst"
SECTION = re.compile(r"^(.+)\n(?:-{3,}|={3,})\n", re.MULTILINE)
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:(?: {3}.*)?\n)+)", re.MULTILINE)
RNG = np.random.default_rng(0)
X, Y = load_iris(return_X_y=True)
PIXELS = np.kron(RNG.integers(0, 256, (12, 4, 4, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
ROWS = RNG.random((40, 64), dtype=np.float32)

pytestmark = [
    # What other libraries say of each other is not of interest here.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def recipes():
    """The code blocks of each section by its title."""
    _, *parts = SECTION.split(PAGE.read_text())
    titles, texts = parts[::2], parts[1::2]
    found = {t: BLOCK.findall(text) for t, text in zip(titles, texts, strict=True)}
    return {title: [dedent(block) for block in blocks] for title, blocks in found.items()}


SETUPS = {}


def setup(title):
    """Register what gives the names that a recipe uses."""
    return lambda function: SETUPS.setdefault(title, function)


# --- what the recipes start from --------------------------------------------------------------


@setup("Boosted trees on a table with categories and gaps")
def trees(tmp_path):
    pd = pytest.importorskip("pandas")
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    catboost = pytest.importorskip("catboost")
    city, age = RNG.choice(["Oslo", "Paris", "Rome"], 200), RNG.normal(40, 10, 200)
    labels = np.where((age > 42) | (city == "Oslo"), "yes", "no")
    frame = pd.DataFrame(
        {"age": age, "city": pd.Categorical(city), "kids": RNG.integers(0, 4, 200)}
    )
    frame.loc[:20, "age"], frame.loc[10:30, "city"] = np.nan, None
    filled = frame.assign(city=frame["city"].cat.add_categories("none").fillna("none"))
    cat = catboost.CatBoostClassifier(
        iterations=5, verbose=0, cat_features=["city"], allow_writing_files=False
    )
    backwards = frame[frame.columns[::-1]]
    return {
        "frame": frame,
        "lightgbm_model": lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(
            backwards, labels
        ),
        "histogram_model": HistGradientBoostingClassifier(
            max_iter=5, categorical_features="from_dtype"
        ).fit(frame, labels),
        "xgboost_model": xgboost.XGBClassifier(n_estimators=5, enable_categorical=True).fit(
            frame, labels == "yes"
        ),
        "catboost_model": cat.fit(filled, labels),
    }


@setup("Text classifiers of transformers")
def readers(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    words = ["the", "film", "was", "good", "bad", "great", "awful", "loved", "hated", "never"]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))

    def model(seed):
        torch.manual_seed(seed)
        config = transformers.BertConfig(
            vocab_size=len(words) + 5,
            id2label={0: "negative", 1: "positive"},
            **_small(),
        )
        return transformers.BertForSequenceClassification(config).eval()

    return {
        "pipeline": partial(transformers.pipeline, device="cpu"),
        "tokenizer": transformers.BertTokenizerFast(str(vocabulary)),
        "models": [model(0), model(1)],
        "texts": [" ".join(RNG.choice(words, 6)) for _ in range(12)],
    }


@setup("Image classifiers of transformers")
def viewers(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    image = pytest.importorskip("PIL.Image")
    try:
        from transformers.models.vit import ViTImageProcessorPil as Processor
    except ImportError:  # before transformers 5
        from transformers import ViTImageProcessor as Processor
    processor = Processor(size={"height": 16, "width": 16})

    def model(seed):
        torch.manual_seed(seed)
        config = transformers.ViTConfig(image_size=16, patch_size=8, num_labels=3, **_small())
        return transformers.ViTForImageClassification(config).eval()

    photos = [image.fromarray(pixels) for pixels in PIXELS]
    return {"photos": photos, "pairs": [(model(0), processor), (model(1), processor)]}


def _small():
    return {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }


@setup("Networks of torchvision")
def vision(tmp_path):
    models = pytest.importorskip("torchvision").models
    weights = models.MobileNet_V3_Small_Weights.DEFAULT
    networks = [models.mobilenet_v3_small(weights=None) for _ in range(2)]
    return {"weights": weights, "networks": networks, "images": PIXELS}


@setup("Networks of timm")
def timm_networks(tmp_path):
    timm = pytest.importorskip("timm")
    networks = [timm.create_model("resnet10t", num_classes=5, pretrained=False) for _ in range(2)]
    return {"timm": timm, "networks": networks, "images": PIXELS}


@setup("Networks of skorch")
def skorch_networks(tmp_path):
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")
    layers = [torch.nn.Linear(64, 3), torch.nn.Softmax(-1)]
    labels = RNG.integers(0, 3, len(ROWS))

    def net():
        return skorch.NeuralNetClassifier(torch.nn.Sequential(*layers), max_epochs=2, verbose=0)

    return {
        "X": ROWS.astype(float),
        "net": net().fit(ROWS, labels),
        "pipeline_that_ends_in_a_net": make_pipeline(StandardScaler(), net()).fit(ROWS, labels),
    }


@setup("Modules of Lightning")
def lightning_modules(tmp_path):
    torch, lightning = pytest.importorskip("torch"), pytest.importorskip("lightning")

    class Network(lightning.LightningModule):
        def __init__(self, n_hidden):
            super().__init__()
            self.save_hyperparameters()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(4, n_hidden), torch.nn.ReLU(), torch.nn.Linear(n_hidden, 3)
            )

        def forward(self, x):
            return self.layers(x)

    def saved(n_hidden):
        path, module = tmp_path / f"{n_hidden}.ckpt", Network(n_hidden)
        trainer = lightning.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, max_epochs=0
        )
        trainer.strategy.connect(module)
        trainer.save_checkpoint(path)
        return path

    return {"Network": Network, "checkpoints": [saved(4), saved(8)], "X": X}


@setup("Models of Keras")
def keras_models(tmp_path):
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    last = [keras.layers.Dense(1, activation="sigmoid") for _ in range(2)]
    conv = [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), last[0]]
    dense = [keras.Input((64,)), keras.layers.Dense(8, activation="relu"), last[1]]
    return {"dense": keras.Sequential(dense), "conv": keras.Sequential(conv), "X": ROWS}


def _zoo():
    parts = [RNG.permutation(150)[:100] for _ in range(3)]
    models = (LogisticRegression(max_iter=500), GaussianNB(), DecisionTreeClassifier())
    kinds = [type(model) for model in models]
    zoo = [
        kind(**model.get_params()).fit(X[part], Y[part])
        for kind, model in zip(kinds, models, strict=True)
        for part in parts
    ]
    return zoo, [kind.__name__ for kind in kinds for _ in parts]


@setup("A grid search that ends in a clusterer")
def zoo_of_families(tmp_path):
    zoo, families = _zoo()
    return {"zoo": zoo, "families": families, "X": X}


@setup("The nearest relatives in a zoo of hundreds")
def big_zoo(tmp_path):
    zoo, _ = _zoo()
    return {"zoo": zoo, "newcomer": zoo[3], "X": X}


@setup("Photographs")
def photographs(tmp_path):
    torch = pytest.importorskip("torch")

    def network():
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 7, stride=16),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(16, 3),
        ).eval()

    noise = RNG.integers(0, 256, (2, 14, 14, 3), dtype=np.uint8)
    return {
        "photographs": noise.repeat(16, axis=1).repeat(16, axis=2),
        "networks": [network(), network()],
    }


@setup("Several processes or threads")
def any_zoo(tmp_path):
    return {"zoo": _zoo()[0], "X": X}


@setup("A Dask cluster")
def dask_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    )
    return {"cluster": cluster, "Client": distributed.Client, "close": cluster.close} | any_zoo(0)


@setup("A Ray cluster")
def ray_cluster(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    return {"close": ray.shutdown} | any_zoo(0)


@setup("Regressors and rankers")
def regressors(tmp_path):
    models = [LinearRegression().fit(X, Y), KNeighborsRegressor().fit(X, Y)]
    try:
        from lightgbm import LGBMRanker
    except ImportError:
        return {"models": models, "X": X}
    order = RNG.permutation(150)
    ranker = LGBMRanker(n_estimators=5, verbose=-1).fit(X[order], Y[order], group=[50, 50, 50])
    return {"models": [*models, ranker], "X": X}


@setup("Encoders")
def encoders(tmp_path):
    return {"encoders": [PCA(2).fit(X), PCA(3).fit(X)], "X": X, "y": Y}


@setup("One label of a multilabel model")
def multilabel(tmp_path):
    labels = np.column_stack([Y > 0, Y > 1]).astype(int)
    models = [
        MLPClassifier((5,), solver="lbfgs", max_iter=2000, alpha=0.1, random_state=s)
        for s in (0, 1)
    ]
    return {"models": [model.fit(X, labels) for model in models], "X": X}


# --- and what becomes of them -------------------------------------------------------------------

TOOLS = {
    tool.__name__: tool
    for tool in (
        AgglomerativeClustering,
        GridSearchCV,
        LogisticRegression,
        StandardScaler,
        adjusted_rand_score,
        make_pipeline,
    )
} | {"joblib": joblib, "np": np}


def test_every_recipe_has_a_test_and_at_most_six_lines():
    found = recipes()
    imports = found.pop("Recipes")
    assert len(imports) == 1
    assert list(found) == list(SETUPS)
    for title, blocks in found.items():
        assert blocks, title
        for block in blocks:
            lines = [line for line in block.splitlines() if line.strip()]
            assert len(lines) <= 6, title


@pytest.mark.parametrize("title", SETUPS)
def test_recipe_works_as_it_stands(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(recipes()["Recipes"][0], names)
    lime = names["LimeSignatureTransformer"]
    names["LimeSignatureTransformer"] = partial(lime, **{"n_reference": 2, "n_samples": 64})
    given = SETUPS[title](tmp_path)
    names |= TOOLS | given
    try:
        for block in recipes()[title]:
            exec(block, names)
    finally:
        given.get("close", int)()
    if title.startswith("A grid search"):
        assert 0 < names["found"].best_score_ <= 1
        return
    D = names["D"]
    n = len(D)
    assert n >= 2 and D.shape == (n, n) and np.isfinite(D).all()
    assert (D[~np.eye(n, dtype=bool)] >= 0).all() and D.max() > 1e-6
    if "nearest" in names:
        assert names["nearest"][0] == 3
