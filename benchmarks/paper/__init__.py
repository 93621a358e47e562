# SPDX-License-Identifier: BSD-3-Clause
"""The paper's experiments, one file per figure or table.

    python -m benchmarks paper/suite --data DIR --scale small|full [--only fig2 fig3 ...]
    python -m benchmarks paper/fig4 --data DIR

Without ``--data`` both run on digits, to check that everything works. Networks and answers are kept
in the cache, so an interrupted run resumes. ``settings.py`` defines the scales, ``tasks.py`` the
data, ``networks.py`` and ``training.py`` what is trained and how, ``workshop.py``, ``relatives.py``
and ``unlearning.py`` what is made from it; ``results/README.md`` is the page with the results.
"""
