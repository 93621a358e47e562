# SPDX-License-Identifier: BSD-3-Clause
"""TextMasker: tokens by hand, what holds for every text, and models that take strings."""

import itertools
import re
import unicodedata
from collections import UserDict
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from skzest import LimeSignatureTransformer, QueryPlan, TextMasker
from skzest.exceptions import QueryError
from skzest.maskers import masker_for
from skzest.queries import CallableQuery, TorchQuery
from skzest.testing import check_masker

HINDI, CHINESE, THAI = "हिन्दी में लिखा है", "我爱你，北京。", "สวัสดีครับ"
FAMILY, THUMB, FLAGS = "👨\u200d👩\u200d👧", "👍🏽", "🇩🇪🇫🇷"


def tokens(text, tokenizer="words", **params):
    """The tokens of a text, read off the parts."""
    parts = TextMasker(tokenizer, **params).fit([text]).cut(text)
    runs = itertools.groupby(range(len(text)), key=lambda i: parts[i])
    return ["".join(text[i] for i in run) for label, run in runs if label >= 0]


def copies(text, masks, tokenizer="words", **params):
    masker = TextMasker(tokenizer, **params).fit([text])
    parts = masker.cut(text)
    return masker.render(text, parts, masker.fill_for(text, parts), np.array(masks, dtype=bool))


# --- tokens by hand -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["Hello", "world"]),
        (
            "Don't, it’s 3.50 or 1,000; x' y. 2.",
            ["Don't", "it’s", "3.50", "or", "1,000"] + ["x", "y", "2"],
        ),
        ("well-known snake_case", ["well", "known", "snake_case"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        (HINDI, HINDI.split()),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        (CHINESE, list("我爱你北京")),
        ("Python是好的", ["Python", "是", "好", "的"]),
        ("カタカナとひらがな", ["カタカナ", *"とひらがな"]),
        (THAI, ["ส", "วั", "ส", "ดี", "ค", "รั", "บ"]),
        ("שלום, עולם", ["שלום", "עולם"]),
        ("مرحبا بالعالم؟", ["مرحبا", "بالعالم"]),
        (f"{FAMILY}ok{THUMB} {FLAGS}", [FAMILY, "ok", THUMB, "🇩🇪", "🇫🇷"]),
        ("1️⃣ ©", ["1️⃣", "©"]),
        ("soft\u00adhyphen zero\u200bwidth", ["soft\u00adhyphen", "zero", "width"]),
        ("\u0301 starts with a mark", ["starts", "with", "a", "mark"]),
        ("lone \ud83d surrogate \ude00", ["lone", "surrogate"]),
        ("", []),
        (" .,;\n", []),
    ],
)
def test_words(text, expected):
    assert tokens(text) == expected


def test_characters_are_what_a_reader_sees():
    text = f"e\u0301 {FAMILY}{THUMB}{FLAGS} {THAI}"
    expected = ["e\u0301", FAMILY, THUMB, "🇩🇪", "🇫🇷", "ส", "วั", "ส", "ดี", "ค", "รั", "บ"]
    assert tokens(text, "characters") == expected
    assert tokens("a, b", "characters") == ["a", ",", "b"]


def test_sentences():
    text = 'He said "Go!" Then? (Yes.) v1.2 is out...\r\n  A title  \n\n你好。再见！Да'
    expected = [
        'He said "Go!"',
        "Then?",
        "(Yes.)",
        "v1.2 is out...",
        "A title",
        "你好。",
        "再见！",
        "Да",
    ]
    assert tokens(text, "sentences") == expected


def test_hidden_words_are_left_out_or_replaced():
    masks = [[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert copies(" to be, or", masks) == [" to be, or", " to , or", "  be, ", "  , "]
    assert copies("to be, or", masks, fill="[M]") == [
        "to be, or",
        "to [M], or",
        "[M] be, [M]",
        "[M] [M], [M]",
    ]


def test_unique_hides_a_word_wherever_it_stands():
    text = "to be or not to be, To"
    masker = TextMasker(unique=True).fit([text])
    assert masker.cut(text).max() + 1 == 5
    assert copies(text, [[0, 1, 1, 1, 1]], unique=True) == [" be or not  be, To"]
    assert copies(text, [[1, 0, 1, 1, 0]], unique=True, fill="_") == ["to _ or not to _, _"]
    assert masker.cut(text)[[0, 3, 6, 9]].tolist() == [0, 1, 2, 3]


# --- tokenizers of others -----------------------------------------------------------------


class _BatchEncoding(UserDict):
    """As transformers returns it."""

    def __init__(self, data, encodings=None):
        super().__init__(data)
        self.encodings = encodings


OFFSETS = [(0, 0), (0, 3), (3, 6), (7, 9), (0, 0)]  # with special tokens


@pytest.mark.parametrize(
    "found",
    [
        ["mas", "ker", "is"],
        OFFSETS,
        np.array(OFFSETS),
        [list(pair) for pair in OFFSETS],
        OFFSETS[::-1],
        iter(OFFSETS),
        SimpleNamespace(ids=[1, 2], offsets=OFFSETS),
        _BatchEncoding({"input_ids": [1, 2], "offset_mapping": OFFSETS}),
        _BatchEncoding({"input_ids": [[1, 2]], "offset_mapping": [OFFSETS]}),
        _BatchEncoding({"input_ids": [1, 2]}, [SimpleNamespace(offsets=OFFSETS)]),
    ],
    ids=lambda found: type(found).__name__,
)
def test_callable_tokenizers(found):
    parts = TextMasker(lambda text: found).cut("masker is")
    assert parts.tolist() == [0, 0, 0, 1, 1, 1, -1, 2, 2]


def test_tokens_that_share_a_character_are_one_part():
    # A byte-level tokenizer cuts one emoji into several tokens with the same offsets.
    offsets = [(0, 1), (1, 2), (1, 2), (1, 3), (3, 4)]
    assert TextMasker(lambda text: offsets).cut("a🙂🙃b").tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("found", "match"),
    [
        (["mask", "er"], None),
        (["Mask"], r"returned the token 'Mask', which is not in the text after character 0"),
        (["ma", "##sker"], r"'##sker', which is not in the text after character 2. Return"),
        ([(0, 10)], r"offsets \(0, 10\) for a text of 9 characters"),
        ([(-2, 3)], r"offsets \(-2, 3\)"),
        (_BatchEncoding({"input_ids": [1]}), "BatchEncoding without offsets. Use a fast tokenizer"),
        (7, "must return the tokens of one text as a list of strings, as"),
        ("masker", "it returned"),
        ([1, 2, 3], "it returned"),
        ([(0, 1), (2,)], "it returned"),
        ([["masker", "is"]], "it returned"),
    ],
)
def test_what_a_tokenizer_may_return(found, match):
    masker = TextMasker(lambda text: found).fit(["masker is"])
    if match is None:
        assert masker.cut("masker is").max() == 1
        return
    with pytest.raises(ValueError, match=match):
        masker.cut("masker is")


# --- what holds for every text --------------------------------------------------------------

# All of Unicode, surrogates included, and often what is hard.
_hard = st.sampled_from(
    [*"\u0301\u0308\u200d\u200c\u200f\ufe0f\u20e3\u00ad\u200b\ufeff\n\r\t\0 '’.,_!?。。"]
    + ["👨\u200d👩", "👍🏽", "🇩", "1️⃣", "क्ष", "ำ", "我", "ש", "ﷺ", "\ud83d", "\ude00", "a", "Z", "7"]
)
texts = st.lists(st.characters(exclude_categories=()) | _hard, max_size=24).map("".join)
tokenizers = st.sampled_from(["words", "sentences", "characters"])


def _spelled_out(text, parts, fill, mask):
    """A masked copy, run after run of characters of one part."""
    made = []
    for label, run in itertools.groupby(zip(parts.tolist(), text), key=lambda pair: pair[0]):
        kept = label < 0 or mask[label]
        made.append("".join(char for _, char in run) if kept else fill)
    return "".join(made)


@settings(max_examples=400)
@given(texts, tokenizers, st.booleans(), texts, st.integers(0, 2**32 - 1))
@example("", "words", False, "", 0)
@example("e\u0301" + FAMILY, "words", True, "[MASK]", 1)
def test_copies_differ_from_the_text_in_hidden_parts_only(text, tokenizer, unique, fill, seed):
    masker = TextMasker(tokenizer, unique=unique, fill=fill).fit([text])
    parts = masker.cut(text)
    n_parts = max(parts, default=-1) + 1
    masks = np.vstack(
        [
            np.ones((1, n_parts)),
            1 - np.eye(n_parts),
            np.random.default_rng(seed).random((3, n_parts)) < 0.5,
        ]
    ).astype(bool)
    made = masker.render(text, parts, masker.fill_for(text, parts), masks)
    assert made[0] == text
    assert made == [_spelled_out(text, parts, fill, mask) for mask in masks]
    assert made == clone(masker).fit([text]).render(text, clone(masker).cut(text), fill, masks)


@settings(max_examples=400)
@given(texts, tokenizers, st.booleans())
def test_labels_are_contiguous_and_part_no_mark_from_its_character(text, tokenizer, unique):
    parts = TextMasker(tokenizer, unique=unique).fit([text]).cut(text)
    assert parts.shape == (len(text),)
    assert set(parts.tolist()) | {-1} == set(range(-1, max(parts, default=-1) + 1))
    firsts = [parts.tolist().index(k) for k in range(max(parts, default=-1) + 1)]
    assert firsts == sorted(firsts)
    for i in range(1, len(text)):
        if parts[i] != parts[i - 1] and tokenizer != "sentences":
            assert not unicodedata.category(text[i]).startswith("M")
            assert text[i] not in "\u200d\ufe0f"


@settings(max_examples=200)
@given(st.lists(texts, min_size=1, max_size=2), tokenizers, st.booleans(), texts)
def test_text_masker_conforms(reference, tokenizer, unique, fill):
    check_masker(TextMasker(tokenizer, unique=unique, fill=fill), reference)


@settings(max_examples=150)
@given(texts, st.data())
def test_offsets_of_any_tokenizer_are_its_parts(text, data):
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8).map(sorted))
    offsets = list(itertools.pairwise(cuts))[:: data.draw(st.integers(1, 2))]
    masker = TextMasker(lambda text: offsets).fit([text])
    kept = [pair for pair in offsets if pair[0] < pair[1]]
    parts = masker.cut(text)
    assert parts.max(initial=-1) + 1 == len(kept)
    for k, (start, stop) in enumerate(kept):
        assert_array_equal(np.flatnonzero(parts == k), np.arange(start, stop))


@pytest.mark.parametrize("unique", [False, True])
def test_masks_mean_what_they_mean_in_lime(unique):
    lime_text = pytest.importorskip("lime.lime_text")
    text = "To be, or not to be: that is the question -- whether 'tis nobler..."
    indexed = lime_text.IndexedString(text, bow=unique, mask_string="UNKWORDZ")
    masker = TextMasker(
        lambda text: [match.span() for match in re.finditer(r"\w+", text)],
        unique=unique,
        fill="" if unique else "UNKWORDZ",
    ).fit([text])
    parts = masker.cut(text)
    assert parts.max() + 1 == indexed.num_words() == (12 if unique else 13)
    masks = np.random.default_rng(0).random((50, parts.max() + 1)) < 0.5
    ours = masker.render(text, parts, masker.fill, masks)
    assert ours == [indexed.inverse_removing(np.flatnonzero(~mask)) for mask in masks]


# --- references -------------------------------------------------------------------------


def test_reference_is_shared_if_it_is_a_list_of_strings():
    reference = ["a b", "c d"]
    assert TextMasker().check_reference(reference) is reference
    assert isinstance(masker_for(reference), TextMasker)


@pytest.mark.parametrize("make", [tuple, np.array, lambda r: np.array(r, dtype=object)])
def test_containers_of_strings(make):
    reference = make(["a b", "c d", "e f"])
    masker = masker_for(reference).fit(reference)
    checked = masker.check_reference(reference)
    assert checked == ["a b", "c d", "e f"]
    assert {type(text) for text in checked} == {str}
    assert masker.take(checked, np.array([2, 0])) == ["e f", "a b"]


@pytest.mark.parametrize("dtype", [object, "string"])
def test_series_of_strings(dtype):
    pd = pytest.importorskip("pandas")
    reference = pd.Series(["a b", "c d"], dtype=dtype, index=[7, 3])
    assert masker_for(reference).fit(reference).check_reference(reference) == ["a b", "c d"]
    reference[7] = None
    with pytest.raises(TypeError, match=r"reference point 0 is .*, not a string. Leave it out"):
        TextMasker().fit(reference)


@pytest.mark.parametrize(
    ("reference", "match"),
    [
        ("a b", "single string; give a list"),
        (["a b", b"c d"], r"reference point 1 is b'c d' \(bytes\), not a string. Decode it"),
        (["a b", None], "reference point 1 is None"),
        ([["a b"]], r"reference point 0 is \['a b'\] \(list\)"),
        ({"a": "b"}, "got a dict; it needs a list of texts"),
        ((text for text in "ab"), "got a generator"),
    ],
)
def test_references_that_are_no_texts(reference, match):
    with pytest.raises(TypeError, match=match):
        TextMasker().fit(reference)


def test_references_of_a_wrong_shape():
    with pytest.raises(ValueError, match=r"array of shape \(1, 2\); it needs \(n_texts,\)"):
        TextMasker().fit(np.array([["a", "b"]]))
    with pytest.raises(ValueError, match="reference is empty"):
        TextMasker().fit([])
    pd = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"the texts, such as reference\['body'\]"):
        TextMasker().fit(pd.DataFrame({"body": ["a b"]}))


def test_parameters_that_are_not_known():
    with pytest.raises(ValueError, match=r"tokenizer must be 'words'.*; got 'word'"):
        TextMasker("word").fit(["a b"])
    with pytest.raises(TypeError, match=r"fill=None is not a string. Give '' to remove hidden"):
        TextMasker(fill=None).fit(["a b"])


# --- models -----------------------------------------------------------------------------

SPAM = ["win money now", "cheap pills, win big!", "money money money", "claim your big prize now"]
HAM = ["lunch at noon?", "the report is done", "see you at the meeting", "notes of the meeting"]
LABELS = ["spam"] * 4 + ["ham"] * 4


@pytest.fixture(scope="module")
def pipelines():
    return [
        make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(SPAM + HAM, LABELS),
        make_pipeline(CountVectorizer(), MultinomialNB()).fit(SPAM + HAM, LABELS),
    ]


def test_pipelines_of_scikit_learn_are_asked_as_they_are(pipelines):
    lime = LimeSignatureTransformer(SPAM + HAM, n_samples=40)
    signatures = lime.fit_transform(pipelines)
    assert signatures.shape == (2, 2 * lime.n_components_)
    plan = lime.plan_
    point = [plan.reference[n] for n in range(8)].index("money money money")
    columns = np.flatnonzero(plan.column_point == point)
    assert (signatures[0, plan.n_components + columns] > 0.05).all(), "money speaks for spam"


def test_linear_model_of_counts_has_its_weights_for_a_signature():
    text = "to be or not to be"
    counts = CountVectorizer().fit([text])
    weights = np.random.default_rng(0).normal(size=(4, 3))
    model = CallableQuery(lambda batch: counts.transform(batch) @ weights, output="logits")
    lime = LimeSignatureTransformer(
        [text], masker=TextMasker(unique=True), response="raw", n_samples=64
    )
    signature = lime.fit_transform([model]).reshape(3, 4)
    words = ["to", "be", "or", "not"]
    occurrences = np.array([text.split().count(word) for word in words])
    expected = weights[[counts.vocabulary_[word] for word in words]] * occurrences[:, None]
    np.testing.assert_allclose(signature, expected.T, atol=1e-12)


def test_networks_get_tensors_through_preprocess():
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.EmbeddingBag(128, 2, mode="sum", padding_idx=0).eval()

    def tensor(batch):
        assert all(type(text) is str for text in batch)
        codes = [[ord(char) % 128 for char in text] or [0] for text in batch]
        longest = max(map(len, codes))
        return torch.tensor([row + [0] * (longest - len(row)) for row in codes])

    queries = [
        TorchQuery(network, preprocess=tensor),
        CallableQuery(network, output="logits", preprocess=tensor),
    ]
    signatures = LimeSignatureTransformer(SPAM + HAM, n_samples=20).fit_transform(queries)
    assert np.abs(signatures).max() > 0.01
    np.testing.assert_allclose(signatures[0], signatures[1], atol=1e-5)
    with pytest.raises(QueryError, match=r"gets a list of str; it needs a preprocess=.*has none"):
        LimeSignatureTransformer(HAM, n_samples=20).fit([network])
    with pytest.raises(QueryError, match="or a dict of them, and returned list"):
        LimeSignatureTransformer(HAM, n_samples=20).fit([TorchQuery(network, preprocess=sorted)])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"reference point 2 is cut into 0 parts by TextMasker\(\); a surrogate needs at"),
        (" !", "reference point 2 is cut into 0 parts"),
        ("word!", "into 1 part by .* Is the text empty, or a single word\\? Leave it out"),
    ],
)
def test_texts_of_fewer_than_two_parts_are_refused(pipelines, text, match):
    with pytest.raises(ValueError, match=match):
        LimeSignatureTransformer(["a b", "c d", text]).fit(pipelines)


def test_tokens_without_a_place_are_refused_with_the_index(pipelines):
    masker = TextMasker(lambda text: text.upper().split())
    with pytest.raises(ValueError, match=r"reference point \d: the tokenizer returned the token"):
        LimeSignatureTransformer(SPAM, masker=masker).fit(pipelines)


@pytest.mark.parametrize(
    "masker",
    [
        TextMasker(),
        TextMasker("characters", fill="\ud83d\0"),
        TextMasker(unique=True, fill="[MASK]"),
        TextMasker(lambda text: text.split()),
    ],
    ids=["words", "characters", "unique", "own tokenizer"],
)
def test_saved_plan_asks_the_same_questions(pipelines, masker, tmp_path):
    reference = [*HAM, f"{HINDI} {FAMILY}", "ends in NUL \0", "lone \ud83d surrogate"]
    lime = LimeSignatureTransformer(reference, masker=masker, n_samples=60)
    signatures = lime.fit_transform(pipelines)
    lime.plan_.save(tmp_path / "plan.npz")
    plan = QueryPlan.load(tmp_path / "plan.npz")
    assert plan.digest == lime.plan_.digest
    assert plan.reference == lime.plan_.reference
    assert plan.fills == lime.plan_.fills
    for ours, theirs in zip(lime.plan_.parts, plan.parts, strict=True):
        assert_array_equal(ours, theirs)
    again = LimeSignatureTransformer.from_plan(plan).fit_transform(pipelines)
    assert_array_equal(again, signatures)


def test_digest_changes_with_tokens_and_fill(pipelines):
    maskers = [
        TextMasker(),
        TextMasker("characters"),
        TextMasker(unique=True),
        TextMasker(fill="_"),
    ]
    reference = ["to be or not to be", "the more the merrier"]
    digests = {
        LimeSignatureTransformer(reference, masker=masker).fit(pipelines).plan_.digest
        for masker in maskers
    }
    assert len(digests) == 4


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("batch_size", ["auto", 7])
def test_jobs_and_batches_change_nothing(pipelines, n_jobs, batch_size):
    params = {"n_samples": 40, "masker": TextMasker(fill="_")}
    expected = LimeSignatureTransformer(SPAM + HAM, **params).fit_transform(pipelines)
    with joblib.parallel_config(backend="threading", n_jobs=n_jobs):
        lime = LimeSignatureTransformer(SPAM + HAM, batch_size=batch_size, **params)
        np.testing.assert_allclose(lime.fit_transform(pipelines), expected, atol=1e-10)
