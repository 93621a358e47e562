"""References from files: what is read, and what is refused."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from skzest import AudioMasker, LimeSignatureTransformer
from skzest.loading import load_reference
from skzest.testing import RowAsLinearModel

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 8, 10, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 8, 10), dtype=np.uint8)


def save_images(folder, images, names=None):
    for i, image in enumerate(images):
        path = folder / (names[i] if names else f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def signatures(reference):
    """What a transformer makes of a reference: the proof that it takes it."""
    adapter = RowAsLinearModel(np.asarray(reference.points[0]).size, 2)
    lime = LimeSignatureTransformer(
        reference.points,
        masker=reference.masker,
        n_reference=2,
        n_samples=64,
        adapter=adapter,
    )
    return lime.fit_transform([[1.0, 2.0], [2.0, -1.0]])


# --- folders ---------------------------------------------------------------------------------


def test_folder_of_images_is_an_array_of_them(tmp_path):
    reference = load_reference(save_images(tmp_path, COLOUR))
    assert np.array_equal(reference.points, COLOUR)
    assert reference.names == [f"{i}.png" for i in range(6)] and reference.labels is None
    assert repr(reference) == "<Reference: 6 points, ndarray of shape (6, 8, 10, 3)>"


def test_grey_images_stay_grey_and_a_mixture_becomes_colour(tmp_path):
    save_images(tmp_path / "grey", GREY)
    assert np.array_equal(load_reference(tmp_path / "grey").points, GREY)
    save_images(tmp_path / "mixed", [GREY[0], COLOUR[0]])
    points = load_reference(tmp_path / "mixed").points
    assert np.array_equal(points[0], np.repeat(GREY[0][..., None], 3, axis=-1))
    assert np.array_equal(points[1], COLOUR[0])


def test_subfolders_are_labels(tmp_path):
    names = ["cat/a.png", "cat/b.png", "dog/a.png"]
    reference = load_reference(save_images(tmp_path, COLOUR[:3], names))
    assert reference.labels.tolist() == ["cat", "cat", "dog"]
    save_images(tmp_path, COLOUR[3:4], ["stray.png"])
    assert load_reference(tmp_path).labels is None


def test_images_of_two_sizes_need_a_size(tmp_path):
    save_images(tmp_path, [COLOUR[0], COLOUR[1, :4]])
    with pytest.raises(ValueError, match=r"0.png has 8 x 10 and 1.png 4 x 10.*size=\(8, 10\)"):
        load_reference(tmp_path)
    points = load_reference(tmp_path, size=(8, 10)).points
    assert points.shape == (2, 8, 10, 3) and np.array_equal(points[0], COLOUR[0])


def test_photographs_are_turned_as_their_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(COLOUR[0]).save(tmp_path / "0.png", exif=exif)
    assert np.array_equal(load_reference(tmp_path).points[0], np.rot90(COLOUR[0], k=-1))


def test_folder_of_sounds_has_a_masker_with_their_rate(tmp_path):
    waves = RNG.integers(-100, 100, (3, 400), dtype=np.int16)
    for i, wave in enumerate(waves):
        wavfile.write(tmp_path / f"{i}.wav", 8000, wave)
    reference = load_reference(tmp_path)
    assert np.array_equal(reference.points, waves)
    assert isinstance(reference.masker, AudioMasker) and reference.masker.sample_rate == 8000
    assert np.isfinite(signatures(reference)).all()
    wavfile.write(tmp_path / "3.wav", 8000, waves[0, :100])
    assert [len(wave) for wave in load_reference(tmp_path).points] == [400, 400, 400, 100]
    wavfile.write(tmp_path / "4.wav", 16000, waves[0])
    with pytest.raises(ValueError, match=r"0.wav has 8000 Hz and 4.wav 16000 Hz"):
        load_reference(tmp_path)


def test_channels_of_a_sound_come_first(tmp_path):
    stereo = RNG.integers(-100, 100, (2, 400, 2), dtype=np.int16)
    for i, wave in enumerate(stereo):
        wavfile.write(tmp_path / f"{i}.wav", 8000, wave)
    assert np.array_equal(load_reference(tmp_path).points, stereo.transpose(0, 2, 1))


def test_few_points_are_drawn_at_random_and_again_the_same(tmp_path):
    save_images(tmp_path, COLOUR)
    some = load_reference(tmp_path, max_points=3)
    assert some.names == load_reference(tmp_path, max_points=3).names
    assert np.array_equal(some.points, COLOUR[[int(name[0]) for name in some.names]])
    drawn = {tuple(load_reference(tmp_path, max_points=3, random_state=s).names) for s in range(9)}
    assert len(drawn) > 1


@pytest.mark.parametrize(
    ("files", "fact"),
    [
        ({}, "holds 0 files, but none ends in .png"),
        ({"a.bin": b""}, "holds 1 files, but none ends in"),
        ({"a.png": b"not an image"}, r"a.png cannot be read as an image"),
        ({"a.wav": b"RIFF"}, r"a.wav cannot be read as a sound"),
        ({"a.png": b"", "b.wav": b""}, "1 images and 1 sounds"),
    ],
)
def test_folders_that_cannot_be_read_are_named(tmp_path, files, fact):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=fact):
        load_reference(tmp_path)


def test_sixteen_bits_are_not_cut_to_eight(tmp_path):
    save_images(tmp_path, [np.full((8, 8), 40000, dtype=np.uint16)])
    with pytest.raises(ValueError, match="its pixels are I"):
        load_reference(tmp_path)


# --- arrays ----------------------------------------------------------------------------------


def test_arrays_come_as_they_are(tmp_path):
    np.save(tmp_path / "a.npy", COLOUR)
    assert np.array_equal(load_reference(tmp_path / "a.npy").points, COLOUR)
    assert np.isfinite(signatures(load_reference(tmp_path / "a.npy"))).all()
    np.savez(tmp_path / "a.npz", images=COLOUR, label=np.arange(6))
    reference = load_reference(tmp_path / "a.npz")
    assert np.array_equal(reference.points, COLOUR) and reference.labels.tolist() == [*range(6)]
    some = load_reference(tmp_path / "a.npz", max_points=2)
    assert np.array_equal(some.points, COLOUR[some.labels])


def test_several_arrays_need_a_key(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, train=COLOUR, test=COLOUR[:2], answers=np.arange(2))
    with pytest.raises(ValueError, match=r"train, test and answers; say which.*key="):
        load_reference(path)
    reference = load_reference(path, key="test", label="answers")
    assert len(reference) == 2 and reference.labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="no array 'x'"):
        load_reference(path, key="x")
    with pytest.raises(ValueError, match="no 'x'"):
        load_reference(path, key="test", label="x")
    with pytest.raises(ValueError, match="one label per point"):
        load_reference(path, key="train", label="answers")


def test_sample_rate_in_an_archive_makes_sounds_of_its_rows(tmp_path):
    np.savez(tmp_path / "a.npz", audio=np.ones((3, 100), np.int16), sample_rate=8000)
    assert load_reference(tmp_path / "a.npz").masker.sample_rate == 8000


class Bomb:
    """Would write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_pickles_in_arrays_are_refused_and_not_run(tmp_path, suffix):
    proof = tmp_path / "proof"
    array = np.array([Bomb(proof)], dtype=object)
    if suffix == "npy":
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
    else:
        np.savez(tmp_path / "a.npz", x=array)
    with pytest.raises(ValueError, match="holds a pickle, and pickles can run code"):
        load_reference(tmp_path / f"a.{suffix}")
    assert not proof.exists()
    with open(tmp_path / f"a.{suffix}", "rb") as file:  # the bomb is live
        loaded = np.load(file, allow_pickle=True)
        (loaded["x"] if suffix == "npz" else loaded)[0].close()
    assert proof.exists()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", bytes(range(256))])
def test_damaged_arrays_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as arrays"):
        load_reference(tmp_path / name)


def test_archive_of_something_else_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.md", "hello")
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match=r"a\.npz"):
        load_reference(tmp_path / "a.npz")


# --- tables and texts ------------------------------------------------------------------------


def test_tables_keep_their_columns_and_give_up_their_labels(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"age": [1.5, 2, 3], "town": ["a", "b", "a"], "label": [0, 1, 0]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    for name in ("a.csv", "a.csv.gz"):
        reference = load_reference(tmp_path / name)
        pd.testing.assert_frame_equal(reference.points, frame[["age", "town"]])
        assert reference.labels.tolist() == [0, 1, 0]
    assert load_reference(tmp_path / "a.csv", label="town").labels.tolist() == ["a", "b", "a"]
    assert len(load_reference(tmp_path / "a.csv", max_points=2)) == 2
    with pytest.raises(ValueError, match="no 'class'; it has age, town and label"):
        load_reference(tmp_path / "a.csv", label="class")


def test_parquet_is_a_table_too(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"age": [1.5, 2], "y": [0, 1]})
    frame.to_parquet(tmp_path / "a.parquet")
    reference = load_reference(tmp_path / "a.parquet")
    assert reference.points["age"].tolist() == [1.5, 2] and reference.labels.tolist() == [0, 1]


def test_table_of_one_column_of_text_is_a_list_of_texts(tmp_path):
    pytest.importorskip("pandas")
    (tmp_path / "a.csv").write_text(
        "review,label\nwell made,1\n'broke, at once',0\n".replace("'", '"')
    )
    reference = load_reference(tmp_path / "a.csv")
    assert reference.points == ["well made", "broke, at once"]
    (tmp_path / "b.csv").write_text("review,label\nwell made,1\n,0\n")
    with pytest.raises(ValueError, match="the text of row 1 is missing"):
        load_reference(tmp_path / "b.csv")


def test_lines_are_texts(tmp_path):
    (tmp_path / "a.txt").write_text("one two\n\nzwölf  \n", encoding="utf-8")
    assert load_reference(tmp_path / "a.txt").points == ["one two", "zwölf  "]
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"b.txt is not UTF-8"):
        load_reference(tmp_path / "b.txt")


def test_paths_that_lead_nowhere_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x.npy: there is no such file"):
        load_reference(tmp_path / "x.npy")
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(ValueError, match=r"a folder, .csv, .npy, .npz, .parquet or .txt"):
        load_reference(tmp_path / "a.docx")
    (tmp_path / "a.txt").write_text("\n\n")
    with pytest.raises(ValueError, match="holds no points"):
        load_reference(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="size= is for folders of images"):
        load_reference(tmp_path / "a.txt", size=(3, 3))


def test_index_that_to_csv_writes_is_left_out_and_other_first_columns_are_kept(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [3, 4]})
    frame.to_csv(tmp_path / "index.csv")
    with pytest.warns(UserWarning, match="numbers the rows, so it is left out") as caught:
        assert list(load_reference(tmp_path / "index.csv").points) == ["a", "b"]
    assert caught[0].filename == __file__
    frame.rename_axis("row").to_csv(tmp_path / "named.csv")
    assert list(load_reference(tmp_path / "named.csv").points) == ["row", "a", "b"]
    frame.set_index("b").rename_axis(None).to_csv(tmp_path / "other.csv")
    assert list(load_reference(tmp_path / "other.csv").points) == ["Unnamed: 0", "a"]
