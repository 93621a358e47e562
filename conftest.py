# SPDX-License-Identifier: BSD-3-Clause
"""Settings of every pytest run here: tests, doctests of the package and of the documentation."""

import os
from importlib.util import find_spec

import pytest

# One thread: the models are so small that several spend their time waiting for each other (a test
# of torch networks of batches of one row takes 0.3 s in place of 5). Set before NumPy loads.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Figures are drawn into memory: no test opens a window.
os.environ.setdefault("MPLBACKEND", "Agg")

# Not for --doctest-modules: Sphinx runs these.
collect_ignore = ["doc/conf.py", "doc/_ext", "doc/_build", "doc/auto_examples", "doc/api/generated"]
# An extra: these import it, or show it in an example.
if find_spec("torch") is None:
    collect_ignore += [f"skzest/queries/_torch{part}.py" for part in ("", "_optimize", "_ready")]
# Pages about models that come in other ways than these.
if find_spec("onnxruntime") is None or find_spec("skl2onnx") is None:
    collect_ignore += ["doc/user_guide/your_model.rst", "doc/user_guide/strangers_file.rst"]

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # doctests run without it
    pass
else:
    # No deadline anywhere: a busy machine is not a wrong result.
    settings.register_profile("dev", deadline=None)
    # The same examples in every run: a failure is then of the change, not of the draw.
    settings.register_profile(
        "ci",
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile("short", settings.get_profile("ci"), max_examples=15)
    settings.load_profile(os.environ.get("SKZEST_HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(autouse=True)
def registries_stay_as_they_were():
    """What a test or an example registers (a kind of model) is forgotten after it."""
    import skzest.store  # noqa: F401  rooms register what they know when first imported
    from skzest.fingerprints._base import _HANDLERS
    from skzest.queries._base import _REGISTRY

    before = list(_HANDLERS), list(_REGISTRY)
    yield
    _HANDLERS[:], _REGISTRY[:] = before
