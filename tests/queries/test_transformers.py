# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines and models of transformers, made here at random: nothing is downloaded."""

import numpy as np
import pytest

from skzest import LimeSignatureTransformer, TorchQuery, zest_distances
from skzest.exceptions import QueryError
from skzest.fingerprints import fingerprint
from skzest.queries import TransformersQuery, as_query
from skzest.testing import check_query

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ["[PAD]", "[UNK]", "good", "bad", "film", "play", "the", "a", "was"]
TEXTS = ["the film was good", "a bad play", "good", "the play was a bad film", "a good film"]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 3), dtype=np.uint8)
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
LABELS = {0: "negative", 1: "neutral", 2: "positive"}


def tokenizer():
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )


def reader(seed=0, **config):
    torch.manual_seed(seed)
    config = {"id2label": LABELS, "num_labels": 3, **config}
    config = transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=16, **SMALL, **config
    )
    return transformers.BertForSequenceClassification(config).eval()


def viewer():
    torch.manual_seed(0)
    config = transformers.ViTConfig(image_size=16, patch_size=8, num_labels=3, **SMALL)
    return transformers.ViTForImageClassification(config).eval()


def text_pipeline(seed=0, **config):
    return transformers.pipeline(
        "text-classification", model=reader(seed, **config), tokenizer=tokenizer()
    )


def test_a_pipeline_of_texts_keeps_the_contract_and_answers_as_it_does():
    pipeline = text_pipeline()
    query = as_query(pipeline)
    assert isinstance(query, TransformersQuery)
    assert query.classes_.tolist() == list(LABELS.values())
    check_query(query, TEXTS)
    expected = pipeline(TEXTS, top_k=None, function_to_apply="none")
    by_label = [{one["label"]: one["score"] for one in row} for row in expected]
    scores = [[row[label] for label in LABELS.values()] for row in by_label]
    given = query.ask(TEXTS, "logits").numpy()
    np.testing.assert_allclose(given, scores, atol=1e-6)


def test_a_pipeline_of_images_keeps_the_contract_and_answers_as_it_does():
    image = pytest.importorskip("PIL.Image")
    processor = transformers.ViTImageProcessor(size={"height": 16, "width": 16})
    pipeline = transformers.pipeline(
        "image-classification", model=viewer(), image_processor=processor
    )
    query = as_query(pipeline)
    assert query.classes_ is None  # LABEL_0 is not a name
    check_query(query, IMAGES)
    expected = pipeline([image.fromarray(x) for x in IMAGES], top_k=3, function_to_apply="none")
    scores = [sorted((o["label"], o["score"]) for o in row) for row in expected]
    given = query.ask(torch.asarray(IMAGES), "logits").numpy()
    np.testing.assert_allclose(given, [[s for _, s in row] for row in scores], atol=1e-5)


def test_a_model_comes_with_its_processor():
    with pytest.raises(TypeError, match="needs the tokenizer or image processor"):
        TransformersQuery(reader())
    query = TransformersQuery(reader(), tokenizer())
    np.testing.assert_array_equal(
        query.ask(TEXTS, "logits"), as_query(text_pipeline()).ask(TEXTS, "logits")
    )


def test_images_that_are_not_of_8_bits_are_refused_and_preprocess_mends_it():
    processor = transformers.ViTImageProcessor(size={"height": 16, "width": 16})
    floats = torch.asarray(IMAGES / 255)
    with pytest.raises(QueryError, match="copies are float64; use a uint8 reference"):
        TransformersQuery(viewer(), processor).ask(floats, "logits")
    whole = TransformersQuery(
        viewer(), processor, preprocess=lambda X: (X * 255).round().to(torch.uint8)
    )
    plain = TransformersQuery(viewer(), processor)
    np.testing.assert_array_equal(
        whole.ask(floats, "logits"), plain.ask(torch.asarray(IMAGES), "logits")
    )


def test_a_model_of_several_labels_at_a_time_is_refused():
    with pytest.raises(TypeError, match="a signature describes one set of classes"):
        TransformersQuery(reader(problem_type="multi_label_classification"), tokenizer())


def test_a_regressor_is_refused_and_the_remedy_works():
    read = tokenizer()
    models = [reader(seed, num_labels=1, id2label={0: "x"}) for seed in (0, 1)]
    with pytest.raises(
        TypeError, match=r"no classes to compare.*TorchQuery\(model, preprocess="
    ) as said:
        TransformersQuery(models[0], read)
    assert 'response="decision_function"' in str(said.value)
    zoo = [
        TorchQuery(
            model,
            preprocess=lambda texts: read(texts, padding=True, return_tensors="pt"),
            output="decision_function",
        )
        for model in models
    ]
    lime = LimeSignatureTransformer(
        TEXTS[:2], n_reference=2, n_samples=32, response="decision_function"
    )
    assert zest_distances(lime.fit_transform([*zoo, zoo[0]]))[0, 1:].round(3).tolist()[1] == 0


def test_a_bare_model_gets_the_advice_to_bring_its_processor():
    lime = LimeSignatureTransformer(TEXTS[:2], n_reference=2, n_samples=32)
    with pytest.raises(QueryError, match=r"has no tokenizer; use TransformersQuery\(model, tok"):
        lime.fit_transform([reader()])
    lime.fit_transform([TransformersQuery(reader(), tokenizer())])
    images = LimeSignatureTransformer(IMAGES, n_reference=2, n_samples=64)
    with (
        pytest.warns(UserWarning, match=r"Use TransformersQuery\(model, image_processor\)"),
        pytest.raises(ValueError, match="channel dimension"),
    ):
        images.fit_transform([viewer()])


def test_a_pipeline_for_another_task_is_refused():
    config = transformers.BertConfig(vocab_size=len(WORDS), **SMALL)
    pipeline = transformers.pipeline(
        "feature-extraction", model=transformers.BertModel(config), tokenizer=tokenizer()
    )
    with pytest.raises(TypeError, match="this pipeline is for 'feature-extraction'"):
        as_query(pipeline)


def test_the_tokenizer_is_part_of_the_identity():
    other = tokenizer()
    other.add_tokens(["actor"])
    contents = [TransformersQuery(reader(), t).content() for t in (tokenizer(), tokenizer(), other)]
    first, twin, third = (fingerprint(content["preprocess"]) for content in contents)
    assert first == twin != third


def test_signatures_tell_a_copy_from_another_model():
    models = [text_pipeline(), text_pipeline(), text_pipeline(seed=1)]
    lime = LimeSignatureTransformer(TEXTS[:2] + TEXTS[3:], n_reference=3, n_samples=16)
    D = zest_distances(lime.fit_transform(models))
    assert D[0, 1] < 1e-6 < 1e-2 < D[0, 2]
