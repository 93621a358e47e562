# SPDX-License-Identifier: BSD-3-Clause
"""Sphinx settings: `python -m sphinx -W -b html doc doc/_build/html`. Nothing needs the network."""

import importlib
import sys
import warnings
from inspect import ismodule
from pathlib import Path

from sphinx.util import logging

import skzest
from skzest.maskers import BaseMasker
from skzest.queries import Query

logger = logging.getLogger(__name__)

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "skzest"
author = "The skzest developers"
copyright = "2026, the skzest developers"
release = skzest.__version__
version = release

extensions = [
    "mathml",  # _ext/mathml.py
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]

exclude_patterns = ["_build", "_ext", "_templates", "sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "literal"
toc_object_entries_show_parents = "hide"
# A reference to one of our names that is not on the API pages is an error. Other names are not
# checked, because no inventory is downloaded.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!skzest\.).*")]

# --- API pages --------------------------------------------------------------------------------

autosummary_generate = True
# Types are in the signature at the top of the page; the parameters are described below it.
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "GL06",  # a section that numpydoc does not know
    "GL07",  # sections in the wrong order
    "PR02",  # parameters that the signature lacks,
    "PR03",  # or in another order
    "SS01",  # no summary
}
# Their __init__ passes keyword parameters on, so the signature lacks what the docstring explains.
numpydoc_validation_exclude = {r"skzest\.queries\.(CatBoost|Onnx)Query$"}

# --- gallery ----------------------------------------------------------------------------------

warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": False,  # continue, and fail at the end: -W counts each error
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("skzest",),
    "inspect_global_variables": False,
    "reference_url": {},
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "plot_gallery": True,
}

# --- pages ------------------------------------------------------------------------------------

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "skzest"
html_static_path = ["_static"]
html_css_files = ["skzest.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {
    "index": [],
    "quick_start": [],
    "changes": [],
    "development": [],
    "glossary": [],
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def skip_foreign(app, what, name, obj, skip, options):
    """Leave out what every estimator inherits from scikit-learn, such as set_output."""
    return True if str(getattr(obj, "__module__", "")).startswith("sklearn.") else None


# What has to be on the API pages: every name of these rooms, or every kind of these.
LISTED = {"": None, ".fingerprints": None, ".loading": None, ".testing": None}
LISTED |= {".maskers": BaseMasker, ".queries": Query}
BASES = {"GraphQuery"}  # not for users


def public_names(room, kind):
    """Names that users may import from a room of the package."""
    module = importlib.import_module(f"skzest{room}")
    values = {name: getattr(module, name) for name in module.__all__ if not name.isupper()}
    if kind is None:
        return {name for name, value in values.items() if not ismodule(value)}
    return {n for n, value in values.items() if isinstance(value, type) and issubclass(value, kind)}


def check_api_page(app):
    """Warn, and so fail, if a public name is missing from the API pages."""
    listed = {line.strip().split(".")[-1] for line in (HERE / "api/index.rst").open()}
    for room, kind in LISTED.items():
        for name in sorted(public_names(room, kind) - listed - BASES):
            logger.warning("skzest%s.%s is public, but not listed in api/index.rst", room, name)


def setup(app):
    app.connect("builder-inited", check_api_page)
    app.connect("autodoc-skip-member", skip_foreign)
