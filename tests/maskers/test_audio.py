# SPDX-License-Identifier: BSD-3-Clause
"""AudioMasker: segments and fills by hand, properties, and models that take waves."""

import joblib
import numpy as np
import pytest
import strategies as sets
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skzest import AudioMasker, LimeSignatureTransformer, QueryPlan
from skzest.maskers import masker_for
from skzest.queries import CallableQuery, TorchQuery
from skzest.testing import check_masker

RATE = 8000


def masked(masker, reference, masks, n=0):
    container = masker.fit(reference).check_reference(reference)
    point = masker.point(masker.take(container, [n]), 0)
    parts = masker.cut(point)
    fill = masker.fill_for(point, parts)
    return masker.render(point, parts, fill, np.array(masks, dtype=bool))


# --- segments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "n_samples", "expected"),
    [
        ({"n_segments": 2}, 4, [0, 0, 1, 1]),
        ({"n_segments": 3}, 7, [0, 0, 0, 1, 1, 2, 2]),
        ({"n_segments": 16}, 3, [0, 1, 2]),
        ({"segment_seconds": 2 / RATE}, 5, [0, 0, 1, 1, 2]),
        ({"segment_seconds": 1.0}, 5, [0, 0, 0, 0, 0]),
        ({"segments": lambda wave, rate: [2, 3]}, 5, [0, 0, 1, 2, 2]),
        ({"segments": lambda wave, rate: [3, 2, 0, 3, 5, 9, -1]}, 5, [0, 0, 1, 2, 2]),
        ({"segments": lambda wave, rate: np.array([], dtype=int)}, 3, [0, 0, 0]),
        ({"segments": lambda wave, rate: [rate // 4000]}, 4, [0, 0, 1, 1]),
    ],
)
def test_segments(params, n_samples, expected):
    waves = np.arange(2.0 * n_samples).reshape(2, n_samples)
    assert AudioMasker(RATE, **params).fit(waves).cut(waves[1]).tolist() == expected


def test_sixteen_segments_are_equal_to_a_sample():
    waves = np.zeros((1, 1000))
    lengths = np.bincount(AudioMasker(RATE).fit(waves).cut(waves[0]))
    assert len(lengths) == 16
    assert set(lengths) == {62, 63}


@pytest.mark.parametrize("found", [[0.5], [[1]], ["a"], np.ones((2, 2), dtype=int)])
def test_segments_must_be_positions(found):
    masker = AudioMasker(RATE, segments=lambda wave, rate: found).fit(np.ones((1, 4)))
    with pytest.raises(ValueError, match="it must return positions in samples"):
        masker.cut(np.ones(4))


def test_a_callable_cannot_write_to_the_wave():
    def spoil(wave, rate):
        wave[0] = 1
        return [2]

    masker = AudioMasker(RATE, segments=spoil).fit(np.zeros((1, 4)))
    with pytest.raises(ValueError, match="read-only"):
        masker.cut(np.zeros(4))


# --- fills ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "fill", "expected"),
    [
        ("float32", "silence", 0),
        ("int16", "silence", 0),
        ("uint8", "silence", 128),
        ("float64", "mean", 4.5),
        ("int16", "mean", 4),
        ("float64", -1.5, -1.5),
        ("int16", 7, 7),
    ],
)
def test_fills(dtype, fill, expected):
    waves = np.array([[1, 2, 3, 4], [6, 7, 8, 5]], dtype=dtype)
    made = masked(AudioMasker(RATE, n_segments=2, fill=fill), waves, [[1, 1], [1, 0]])
    assert made.dtype == dtype
    assert made.tolist() == [[1, 2, 3, 4], [1, 2, expected, expected]]


def test_mean_is_per_channel_and_over_waves_of_all_lengths():
    waves = [np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), np.array([[6.0], [60.0]])]
    masker = AudioMasker(RATE, n_segments=3, fill="mean").fit(waves)
    assert masker.mean_.tolist() == [3.0, 30.0]
    assert masker.n_channels_ == 2
    made = masked(masker, waves, [[1, 0, 1]])
    assert made.tolist() == [[[1.0, 3.0, 3.0], [10.0, 30.0, 30.0]]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_noise_is_as_loud_as_the_recording(dtype):
    rng = np.random.default_rng(0)
    waves = [
        (rng.normal(size=n) * level + 50).astype(dtype) for n, level in [(9000, 10), (8000, 900)]
    ]
    masker = AudioMasker(RATE, fill="noise").fit(waves)
    for wave in waves:
        noise = masker.fill_for(wave, masker.cut(wave))
        assert_allclose(noise.std(), wave.std(), rtol=0.05)
        assert abs(float(noise.mean()) - float(wave.mean())) < 0.05 * float(wave.std())
        assert abs(np.corrcoef(noise, wave)[0, 1]) < 0.05


def test_noise_depends_on_the_recording_and_the_seed_alone():
    rng = np.random.default_rng(0)
    wave, other = rng.normal(size=(2, 100))

    def noise(reference, seed=0):
        return (
            AudioMasker(RATE, fill="noise", random_state=seed).fit(reference).fill_for(wave, None)
        )

    expected = noise(wave[None])
    assert_array_equal(noise([other[:50], wave]), expected)
    assert np.abs(noise(wave[None], seed=1) - expected).max() > 0.1
    masker = AudioMasker(RATE, fill="noise").fit(other[None])
    assert np.abs(masker.fill_for(other, None) - expected).max() > 0.1


def test_noise_in_integers_stays_within_the_recording():
    wave = np.where(np.arange(1000) % 2, np.int16(2**15 - 1), np.int16(-(2**15)))
    noise = AudioMasker(RATE, fill="noise").fit(wave[None]).fill_for(wave, None)
    assert noise.dtype == np.int16
    assert 5000 < noise.std() < 2**15


def test_callable_fill():
    waves = np.arange(8.0).reshape(2, 4)
    reversed_fill = AudioMasker(RATE, n_segments=2, fill=lambda wave, parts: wave[::-1] + parts)
    assert masked(reversed_fill, waves, [[0, 1]]).tolist() == [[3.0, 2.0, 2.0, 3.0]]
    short = AudioMasker(RATE, fill=lambda wave, parts: wave[:2])
    with pytest.raises(ValueError, match=r"fill returned shape \(2,\) for a point of shape \(4,\)"):
        masked(short, waves, [[1] * 4])


# --- what holds for every wave --------------------------------------------------------------

cuts = st.one_of(
    st.builds(dict, n_segments=st.integers(1, 12)),
    st.builds(dict, segment_seconds=st.integers(1, 9).map(lambda n: n / RATE)),
    st.just({"segments": lambda wave, rate: np.flatnonzero(np.diff(wave.ravel() > 0))}),
)
fills = st.sampled_from(["silence", "mean", "noise", 1, lambda wave, parts: wave[..., ::-1]])


@st.composite
def waves(draw):
    """Arrays, channels now and then, and lists of waves of different lengths."""
    rng, dtype = np.random.default_rng(draw(sets.seeds)), draw(st.sampled_from(sets.DTYPES))
    channels = draw(st.sampled_from([(), (1,), (2,)]))
    n_points, longest = draw(st.integers(1, 4)), draw(st.integers(2, 30))
    if draw(st.booleans()):
        return sets.numbers(rng, (n_points, *channels, longest), dtype)
    lengths = rng.integers(2, longest, n_points, endpoint=True)
    return [sets.numbers(rng, (*channels, n), dtype) for n in lengths]


@settings(max_examples=400)
@given(waves(), cuts, fills, sets.seeds)
def test_copies_differ_from_the_wave_in_hidden_segments_only(reference, cut, fill, seed):
    masker = AudioMasker(RATE, fill=fill, **cut).fit(reference)
    container = masker.check_reference(reference)
    n = len(container) - 1
    point = masker.point(container, n)
    parts = masker.cut(point)
    n_parts = parts.max() + 1
    assert parts.shape == point.shape[-1:]
    assert set(parts.tolist()) == set(range(n_parts))
    assert (np.diff(parts) >= 0).all()
    hidden = masker.fill_for(point, parts)
    assert (hidden.dtype, hidden.shape) == (point.dtype, point.shape)
    masks = np.random.default_rng(seed).random((4, n_parts)) < 0.5
    masks[0] = True
    copies = masker.render(point, parts, hidden, masks)
    assert copies.dtype == point.dtype
    assert copies[0].tobytes() == np.ascontiguousarray(reference[n]).tobytes()
    for copy, mask in zip(copies, masks, strict=True):
        expected, kept = hidden.copy(), mask[parts]
        expected[..., kept] = point[..., kept]
        assert copy.tobytes() == expected.tobytes()
    again = clone(masker).fit(reference)
    assert again.cut(point).tobytes() == parts.tobytes()
    assert again.fill_for(point, parts).tobytes() == hidden.tobytes()


@settings(max_examples=100)
@given(waves(), cuts, fills)
def test_audio_masker_conforms(reference, cut, fill):
    check_masker(AudioMasker(RATE, fill=fill, **cut), reference, n_points=1)


# --- references and parameters --------------------------------------------------------------


def test_arrays_are_shared_and_may_be_read_only():
    array = np.ones((3, 8), dtype=np.float32)
    array.setflags(write=False)
    assert np.shares_memory(AudioMasker(RATE).fit(array).check_reference(array), array)
    ragged = [np.ones(3), np.ones(5)]
    checked = AudioMasker(RATE).check_reference(ragged)
    assert all(a is b or np.shares_memory(a, b) for a, b in zip(checked, ragged, strict=True))


@pytest.mark.parametrize("make", [list, tuple, lambda r: np.array(r, dtype=object)])
def test_waves_of_different_lengths_are_a_list(make):
    reference = make([np.ones(3), np.ones(5), np.zeros(4)])
    masker = AudioMasker(RATE).fit(reference)
    container = masker.check_reference(reference)
    assert [len(wave) for wave in container] == [3, 5, 4]
    taken = masker.take(container, np.array([2, 0]))
    assert isinstance(taken, list)
    assert [len(wave) for wave in taken] == [4, 3]


def test_a_list_of_waves_of_one_length_is_an_array():
    container = AudioMasker(RATE).check_reference([np.ones(3), np.zeros(3)])
    assert container.shape == (2, 3)


@pytest.mark.parametrize(
    ("reference", "match"),
    [
        (np.ones(5), r"reference of shape \(5,\); it needs \(n_points"),
        (np.ones((2, 0)), r"reference of shape \(2, 0\)"),
        (np.ones((2, 9, 2)), r"shape \(2, 9, 2\).* time comes first, give np.moveaxis"),
        (np.ones((1, 1, 2, 3)), r"shape \(1, 1, 2, 3\); it needs \(n, n_samples\) or"),
        (np.array([[1.0, np.nan]]), "reference point 0 holds 1 non-finite values"),
        ([np.ones(3), np.array([1.0, np.inf])], "reference point 1 holds 1 non-finite .* of 2"),
        (
            [np.ones(3), np.ones(4, dtype="f4")],
            "point 1 has shape .* float32, point 0 has .* float64",
        ),
        ([np.ones((2, 3)), np.ones((1, 3))], r"point 1 has shape \(1, 3\)"),
        ([np.ones(3), np.ones((1, 4))], r"point 1 has shape \(1, 4\)"),
        ([np.ones(3), []], "reference point 1: AudioMasker got"),
        ([np.ones(3), ["a", "b"]], "reference point 1: AudioMasker got .* dtype <U1"),
        ([np.ones(3), None], "reference point 1: AudioMasker got"),
    ],
)
def test_references_that_are_no_waves(reference, match):
    with pytest.raises(ValueError, match=match):
        AudioMasker(RATE).fit(reference)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"sample_rate": 0}, "sample_rate=0 must be a positive number"),
        ({"sample_rate": "8k"}, "sample_rate='8k' must be"),
        ({"segments": "words"}, "segments must be 'equal'; got 'words'"),
        ({"n_segments": 0}, "n_segments=0 must be at least 1"),
        (
            {"segment_seconds": 1e-5},
            r"segment_seconds=1e-05 must be at least one sample \(0.000125",
        ),
        ({"fill": "mute"}, "fill must be 'silence'.*; got 'mute'"),
        ({"fill": None}, "fill must be .*; got None"),
        ({"fill": [1, 2]}, r"fill must be .*; got \[1, 2\]"),
    ],
)
def test_parameters_that_do_not_suit(params, match):
    with pytest.raises(ValueError, match=match):
        AudioMasker(**{"sample_rate": RATE} | params).fit(np.ones((2, 8)))


def test_unfitted_masker_says_so():
    with pytest.raises(NotFittedError, match="AudioMasker"):
        AudioMasker(RATE).cut(np.ones(4))


def test_sound_is_not_guessed_from_rows_of_different_lengths():
    with pytest.raises(ValueError, match=r"If these are sounds, give masker=AudioMasker\("):
        masker_for([np.ones(3), np.ones(4)])


# --- models -----------------------------------------------------------------------------


def _tones(lengths, seed=0):
    """Recordings of low and high tones, and which they are."""
    rng = np.random.default_rng(seed)
    y = np.arange(len(lengths)) % 2
    made = [
        np.sin(2 * np.pi * (300 + 500 * high) * np.arange(n) / RATE) + 0.1 * rng.normal(size=n)
        for n, high in zip(lengths, y, strict=True)
    ]
    return [wave.astype(np.float32) for wave in made], y


def _features(batch):
    """Loudness and zero crossings: of an array or of a list of waves."""
    return np.array([[np.abs(w).mean(), np.mean(np.diff(np.sign(w)) != 0)] for w in batch])


@pytest.fixture(scope="module")
def recogniser():
    waves, y = _tones(np.full(40, 400))
    return LogisticRegression(C=100).fit(_features(waves), y)


LENGTHS = [400, 300, 250, 401, 333, 512]


@pytest.mark.parametrize("ragged", [False, True])
def test_models_get_a_list_where_lengths_differ(recogniser, ragged):
    waves, _ = _tones(LENGTHS if ragged else [400] * 6)
    kinds = set()

    def answer(batch):
        kinds.add(type(batch))
        return recogniser.predict_proba(_features(batch))

    params = {"masker": AudioMasker(RATE, n_segments=8), "n_samples": 60, "batch_size": 50}
    lime = LimeSignatureTransformer(waves, **params)
    signature = lime.fit_transform([CallableQuery(answer)])
    assert kinds == {list if ragged else np.ndarray}
    assert signature.shape == (1, 2 * 6 * 8)
    assert np.abs(signature).max() > 0.1
    with joblib.parallel_config(backend="threading", n_jobs=2):
        params["batch_size"] = 7
        same = LimeSignatureTransformer(waves, **params).fit_transform([CallableQuery(answer)])
    assert_allclose(same, signature, atol=1e-10)


def test_linear_model_signature_is_energy_times_weight_of_each_segment():
    waves, _ = _tones([80, 81, 95])

    def first_and_last(batch):
        return np.array([[w[:10].sum(), w[-10:].sum()] for w in batch], dtype=float)

    lime = LimeSignatureTransformer(
        waves,
        masker=AudioMasker(RATE, n_segments=4),
        n_samples=16,
        sampling="foldover",
        response="raw",
    )
    signature = lime.fit_transform([CallableQuery(first_and_last, output="logits")])
    signature = signature.reshape(2, 3, 4)
    expected = np.zeros_like(signature)
    for n, point in enumerate(lime.plan_.reference):
        expected[:, n, 0], expected[:, n, -1] = (point[:10].sum(), 0), (0, point[-10:].sum())
    assert_allclose(signature, expected, atol=1e-5)


def test_networks_pad_lists_through_preprocess():
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Conv1d(1, 3, 9, stride=4),
            torch.nn.AdaptiveMaxPool1d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(3, 3),
        )

    def collate(batch):
        batch = [torch.as_tensor(wave) for wave in batch]
        return torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)[:, None]

    queries = [
        TorchQuery(network.eval(), preprocess=collate),
        CallableQuery(network, output="logits", preprocess=collate),
    ]
    waves, _ = _tones(LENGTHS)
    lime = LimeSignatureTransformer(waves, masker=AudioMasker(RATE), n_samples=60)
    signatures = lime.fit_transform(queries)
    assert np.abs(signatures).max() > 0.01
    assert_allclose(signatures[0], signatures[1], atol=1e-5)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("fill", ["silence", "noise"])
@pytest.mark.parametrize("channels", [False, True])
def test_saved_plan_asks_the_same_questions(recogniser, ragged, fill, channels, tmp_path):
    waves, _ = _tones(LENGTHS if ragged else [400] * 6)
    waves = [np.stack([wave, -wave]) for wave in waves] if channels else waves
    query = CallableQuery(
        lambda batch: recogniser.predict_proba(_features([w[0] if channels else w for w in batch]))
    )
    masker = AudioMasker(RATE, n_segments=5, fill=fill)
    lime = LimeSignatureTransformer(waves, masker=masker, n_samples=40, n_reference=4)
    signature = lime.fit_transform([query])
    lime.plan_.save(tmp_path / "plan.npz")
    plan = QueryPlan.load(tmp_path / "plan.npz")
    assert plan.digest == lime.plan_.digest
    assert type(plan.reference) is type(lime.plan_.reference)
    for n in range(4):
        assert_array_equal(plan.point(n), lime.plan_.point(n))
        assert_array_equal(plan.fills[n], lime.plan_.fills[n])
    again = LimeSignatureTransformer.from_plan(plan).fit_transform([query])
    assert_array_equal(again, signature)
    assert plan.take(2).digest == lime.plan_.take(2).digest


def test_waves_of_one_segment_are_refused(recogniser):
    waves, _ = _tones([400, 400, 400, 50])
    masker = AudioMasker(RATE, segment_seconds=0.01)
    with pytest.raises(
        ValueError, match=r"point 3 is cut into 1 part by AudioMasker.*shorter than a segment"
    ):
        LimeSignatureTransformer(waves, masker=masker).fit(
            [CallableQuery(recogniser.predict_proba)]
        )


def test_longest_wave_decides_the_automatic_batch(recogniser):
    waves, _ = _tones([10, 10, 10, 2**20])
    sizes = []

    def answer(batch):
        sizes.append(sum(wave.nbytes for wave in batch))
        return recogniser.predict_proba(_features(batch))

    lime = LimeSignatureTransformer(waves, masker=AudioMasker(RATE, n_segments=2), n_samples=12)
    lime.fit_transform([CallableQuery(answer)])
    assert len(lime.plan_.point(0)) == 10, "the first point must not be the longest"
    assert max(sizes) <= 8 * 2**20
