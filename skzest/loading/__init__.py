# SPDX-License-Identifier: BSD-3-Clause
"""From files to references and models, without running code that a file holds."""

import lazy_loader

# The names are listed in __init__.pyi. A child process that opens a model imports what it needs
# for that, and not scikit-learn, which takes five times as long as all else.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
