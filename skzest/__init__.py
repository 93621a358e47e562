# SPDX-License-Identifier: BSD-3-Clause
"""How far apart are two models, and is one made from the other?"""

__version__ = "0.1.0.dev0"
