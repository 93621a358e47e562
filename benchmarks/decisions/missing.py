# SPDX-License-Identifier: BSD-3-Clause
"""Do error rates hold where distances are missing, and what does a missing one cost?

Simulated distances, three for each model. *Nearness*: a third of the models are twice as near and
lack the first distance, another third are four times as near and lack the second, too. *Weights*:
the logarithms of the distances have deviation 0.3 and correlation 0.2, and a share of the
unrelated models lacks the third; copies are some deviations nearer in all that they have.

``missing_rate.csv``
    nearness: share of unrelated suspects called "reused", by number of unrelated models, alpha and
    rule, with its standard error over detectors; left out in turn, each unrelated model has its
    own version of the distances, 10 % apart.
``missing_power.csv``
    weights: share of suspects called "reused" at 5 %, with and without the third distance, by the
    share of unrelated models without it.
"""

from __future__ import annotations

import numpy as np

from benchmarks._common import show, write_table
from skzest import ReuseDetector
from skzest.detectors._left_out import LeftOutInTurn
from skzest.detectors._rule import Settings

TAKES = "1 min"
NEEDS = "no data"
QUICK = {"repeats": 5}

SIZES, ALPHAS, SHIFTS = (20, 39), (0.05, 0.1), (0, 2, 3, 4)
RULES = {
    "squares": {"combine": "squares"},
    "minimum": {"combine": "minimum"},
    "whitened": {"combine": "whitened"},
    "lognormal": {"null": "lognormal"},
}
N_SUSPECTS, SLACK = 8, 1 + 1e-12


def add_options(parser):
    parser.add_argument("--repeats", type=int, default=1500, help="detectors for each rate")


def main(args):
    for name, rows in {"missing_rate": rates(args), "missing_power": power(args)}.items():
        for one in rows:
            show(one, digits=3)
        write_table(args.results / f"{name}.csv", rows, digits=3)


# ---------------------------------------------------------------- nearness


def drawn(rng, n):
    nearness = rng.permutation(np.resize(np.arange(3), n))
    D = rng.lognormal(0, 0.3, (n, 3)) * 0.5 ** nearness[:, None]
    D[nearness >= 1, 0] = D[nearness >= 2, 1] = np.nan
    return D


def rates(args):
    rows = []
    for m in SIZES:
        for alpha in ALPHAS:
            for rule, params in RULES.items():
                p = [p_values(seed + args.seed, m, alpha, params) for seed in range(args.repeats)]
                rows.append(row(m, alpha, rule, p))
            few = range(max(args.repeats // 5, 2))
            p = [left_out_p_values(seed + args.seed, m, alpha) for seed in few]
            rows.append(row(m, alpha, "squares, left out in turn", p))
    return rows


def row(m, alpha, rule, p):
    called = (np.array(p) <= alpha * SLACK).mean(axis=1)
    error = called.std() / np.sqrt(len(called))
    return {"unrelated": m, "alpha": alpha, "rule": rule, "reused": called.mean(), "error": error}


def p_values(seed, m, alpha, params):
    D = drawn(np.random.default_rng(seed), m + N_SUSPECTS)
    return ReuseDetector(alpha=alpha, correction=None, **params).fit(D[:m]).p_values(D[m:])


def left_out_p_values(seed, m, alpha):
    rng = np.random.default_rng(seed)
    D = drawn(rng, m + N_SUSPECTS) * np.exp(0.1 * rng.normal(size=(m, m + N_SUSPECTS, 3)))
    settings = Settings(alpha, "conformal", None, None, 0.95, "squares")
    rule = LeftOutInTurn(D[:, :m], ("a", "b", "c"), [np.arange(m)], settings)
    return rule.judge(D[:, m:].transpose(1, 0, 2)).p_values


# ---------------------------------------------------------------- weights


def power(args):
    rows = []
    for m in SIZES:
        for lacking in (0.0, 0.3, 0.7):
            for has_third in (True, False):
                called = {
                    f"{shift} nearer": share_called(args, m, lacking, has_third, shift)
                    for shift in SHIFTS
                }
                rows.append({"unrelated": m, "lacking": lacking, "has third": has_third} | called)
    return rows


def share_called(args, m, lacking, has_third, shift):
    rng, called = np.random.default_rng(args.seed), []
    for _ in range(max(args.repeats // 4, 2)):
        D = np.exp(0.3 * (0.5 * rng.normal(size=(m + N_SUSPECTS, 1)) + normal(rng, m)))
        D[rng.permutation(m)[: round(lacking * m)], 2] = np.nan
        D[m:] *= np.exp(-0.3 * shift)
        if not has_third:
            D[m:, 2] = np.nan
        p = ReuseDetector(correction=None).fit(D[:m]).p_values(D[m:])
        called.append((p <= 0.05 * SLACK).mean())
    return np.mean(called)


def normal(rng, m):
    return rng.normal(size=(m + N_SUSPECTS, 3))
