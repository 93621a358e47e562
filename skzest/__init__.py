# SPDX-License-Identifier: BSD-3-Clause
"""How far apart are two models, and is one made from the other?

A scikit-learn extension in which the samples are models: :class:`LimeSignatureTransformer`
turns classifiers into signatures, :func:`zest_distances` compares these.
"""

import lazy_loader

__version__ = "0.1.0.dev0"

# The names are listed in __init__.pyi. Each is imported when it is first used, so that
# `skzest --help` does not wait for scikit-learn.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
