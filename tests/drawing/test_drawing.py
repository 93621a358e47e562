# SPDX-License-Identifier: BSD-3-Clause
"""Pieces of pictures: borders of parts, words and lines, colours."""

import numpy as np
import pytest

from skzest.drawing import (
    BarsPicture,
    ImagePicture,
    Picture,
    SoundPicture,
    TextPicture,
    plain,
    share_cmap,
    shorten,
    shorten_all,
    signed_cmap,
    text_color,
    text_width,
)
from skzest.drawing._image import borders
from skzest.drawing._style import on_white
from skzest.drawing._text import window, words_of, wrapped

pytest.importorskip("matplotlib")

TEXT = "Bears claw back; it costs $5 and $6. " * 3 + "\nSo, so."
WORDS = TextPicture(TEXT, np.cumsum([c == " " for c in TEXT]))


def test_borders_are_between_parts_only():
    parts = np.array([[0, 0, 1], [2, 2, 1]])
    lines = {tuple(map(tuple, line)) for line in borders(parts, [0, 1, 2])}
    expected = {
        ((1.5, -0.5), (1.5, 0.5)),
        ((1.5, 0.5), (1.5, 1.5)),
        ((-0.5, 0.5), (0.5, 0.5)),
        ((0.5, 0.5), (1.5, 0.5)),
    }
    assert lines == expected
    around_one = {tuple(map(tuple, line)) for line in borders(parts, [1])}
    assert around_one == {line for line in expected if line[0][0] == line[1][0] == 1.5}


def test_text_is_cut_into_pieces_and_put_together_again():
    text = "So, so\n\ngood!"
    parts = np.array([0, 0, -1, -1, 1, 1, -1, -1, 2, 2, 2, 2, -1])
    pieces = TextPicture(text, parts).pieces
    assert "".join(piece for piece, _ in pieces) == text
    words = [(word, part) for word, part in words_of(pieces) if not word.isspace()]
    assert words == [("So", 0), (",", -1), ("so", 1), ("good", 2), ("!", -1)]


@pytest.mark.parametrize("width", [20.0, 60.0, 150.0, 1000.0])
def test_lines_keep_to_the_width_and_lose_nothing(width):
    lines = wrapped(words_of(WORDS.pieces), width, 10.0)
    for line in lines:
        ends = [x + text_width(piece, 10.0) for x, piece, _ in line]
        assert max(ends) <= width or len(line) == 1
        assert all(end <= x for end, (x, _, _) in zip(ends, line[1:]))
    written = "".join(piece for line in lines for _, piece, _ in line)
    assert written == "".join(TEXT.split())


def test_a_window_of_lines_is_where_the_values_are():
    assert window([1, 1, 5, 5, 1], 2) == (2, 4)
    assert window([1, 1], 5) == (0, 2)


def test_dollars_are_escaped():
    assert plain("$x$ y$") == r"\$x\$ y\$"


@pytest.mark.parametrize(
    "pattern",
    [
        "resnet20-cifar10-{}-finetuned-epoch-0200",
        "{}/checkpoints/of/the/best/epoch",
        "a" * 50 + "{}",
    ],
)
@pytest.mark.parametrize("longest", [12, 24])
def test_different_names_do_not_look_alike_when_shortened(pattern, longest):
    names = [pattern.format(f"seed{seed:02d}") for seed in range(30)] + ["short", "short"]
    shown = shorten_all(names, longest)
    assert len({*shown}) == 31 and max(map(len, shown)) <= longest
    assert shown[-2:] == ["short", "short"]
    hidden = "resnet20-cifar10-{}-finetuned-epoch-0200"
    assert len({shorten(hidden.format(f"seed{seed}"), longest) for seed in range(10)}) == 1
    assert shorten_all(["x" * 99, "y" * 99], 8) == [shorten("x" * 99, 8), shorten("y" * 99, 8)]


@pytest.mark.parametrize("cmap", [share_cmap, signed_cmap], ids=["share", "signed"])
def test_words_can_be_read_on_every_colour(cmap):
    for value in np.linspace(0, 1, 21):
        rgb = np.asarray(on_white(cmap()(value)))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        luminance = linear @ [0.2126, 0.7152, 0.0722]
        contrast = {"white": 1.05 / (luminance + 0.05), "black": (luminance + 0.05) / 0.05}
        assert contrast[text_color(rgb)] > 4.5


PICTURES = [
    BarsPicture(["a", "b", "c"]),
    ImagePicture(np.zeros((4, 6, 1)), np.arange(24).reshape(4, 6) % 3),
    SoundPicture(np.sin(np.arange(900.0)), np.arange(900) // 300, 100),
    WORDS,
]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: type(p).__name__)
def test_figures_have_room_for_every_picture(picture):
    one, (_, height) = picture.layout()
    assert one == 1
    for n in (2, 4, 7):
        n_columns, size = picture.layout(n)
        n_rows = -(-n // n_columns)
        assert 1 <= n_columns <= n
        assert size[0] >= 1.5 * n_columns
        assert size[1] >= 0.5 * n_rows * min(height, 2.2)


@pytest.mark.parametrize("cmap", [share_cmap(), signed_cmap()], ids=["share", "signed"])
def test_colours_over_black_are_nearly_those_of_the_colour_bar(cmap):
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    ax, norm = Figure().add_subplot(), Normalize(-1.0 if cmap.name == "signed" else 0.0, 1.0)
    values = np.array([0.0, 0.25, 0.5, 1.0])
    ImagePicture(np.zeros((2, 4, 1)), np.tile(np.arange(4), (2, 1))).draw(ax, values, cmap, norm)
    under, over = (image.get_array()[0] for image in ax.images)
    for grey, value in zip(under, over):
        *rgb, alpha = cmap(norm(value))
        seen = alpha * np.array(rgb) + (1 - alpha) * grey
        off = np.abs(seen - on_white((*rgb, alpha))).max()
        assert off < 0.25 if value else grey < 0.7  # black is seen where there is no colour
        assert value < 1 or off < 0.05


def test_alpha_is_not_drawn_and_two_channels_are_grey():
    from matplotlib.figure import Figure

    rng, parts = np.random.default_rng(0), np.zeros((4, 4), dtype=int)
    for n_channels, shape in ((3, (4, 4, 3)), (4, (4, 4, 3)), (2, (4, 4)), (1, (4, 4))):
        pixels = rng.random((4, 4, n_channels))
        ax = Figure().add_subplot()
        ImagePicture(pixels, parts).draw_original(ax)
        assert ax.images[0].get_array().shape == shape


def test_a_picture_without_draw_says_so():
    with pytest.raises(NotImplementedError, match=r"Picture does not define draw\(\)"):
        Picture().draw(None, np.zeros(2), share_cmap(), None)
    with pytest.raises(NotImplementedError, match=r"does not define draw_original\(\)"):
        Picture().draw_original(None)
