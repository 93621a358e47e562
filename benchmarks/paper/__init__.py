# SPDX-License-Identifier: BSD-3-Clause
"""The paper's experiments, one file for each figure or table, by one command.

    python -m benchmarks.paper --data DIR --scale small|full [--only fig2 fig3 ...]

Without ``--data`` it runs on digits, to see that everything works. Networks and answers are kept
under ``--out``, so that a run that was cut off goes on where it was; tables, figures and the page
go to ``--results``, one folder for each scale. ``settings.py`` says what the scales are,
``tasks.py`` what the data, ``networks.py`` and ``training.py`` what is trained and how,
``workshop.py``, ``relatives.py`` and ``unlearning.py`` what is made; ``results/README.md`` is the
page. Figure 4 (texts and sounds) has a command of its own: ``python -m benchmarks.paper.fig4``.
"""
