# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a point and its parts, and the colours and fonts of all figures.

matplotlib is imported only when something is drawn.
"""

from ._image import ImagePicture
from ._pictures import BarsPicture, Picture
from ._sound import SOUNDS, SoundPicture
from ._style import (
    BLUE,
    POINTS_PER_INCH,
    SIDE_FONT,
    SMALLEST_FONT,
    VERMILION,
    axes_size,
    draw_colorbar,
    new_axes,
    plain,
    share_cmap,
    shorten,
    shorten_all,
    signed_cmap,
    style_colorbar,
    text_color,
    text_width,
)
from ._text import TextPicture

__all__ = [
    "BLUE",
    "POINTS_PER_INCH",
    "SIDE_FONT",
    "SMALLEST_FONT",
    "SOUNDS",
    "VERMILION",
    "BarsPicture",
    "ImagePicture",
    "Picture",
    "SoundPicture",
    "TextPicture",
    "axes_size",
    "draw_colorbar",
    "new_axes",
    "plain",
    "share_cmap",
    "shorten",
    "shorten_all",
    "signed_cmap",
    "style_colorbar",
    "text_color",
    "text_width",
]
