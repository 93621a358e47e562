"""The names of the package itself: each is there, and none is imported before it is used."""

import subprocess
import sys

import pytest

import skzest

HEAVY = ("matplotlib", "numpy", "pandas", "scipy", "skimage", "sklearn", "torch")


@pytest.mark.parametrize("name", skzest.__all__)
def test_each_name_resolves(name):
    assert getattr(skzest, name) is not None
    assert name in dir(skzest)


def test_import_skzest_loads_no_heavy_module():
    code = f"import sys, skzest; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    # The names do load them: the list above is of modules that could have been there.
    code = f"import sys, skzest; skzest.as_query; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numpy" in done.stdout


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="zest_distance"):
        skzest.zest_distance  # noqa: B018
