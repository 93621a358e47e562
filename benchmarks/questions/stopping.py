# SPDX-License-Identifier: BSD-3-Clause
"""How many questions does stopping early save, and how many decisions does it get wrong?

Networks of digits are asked plans of 128 points with n_samples="auto" and sampling="foldover", a
different plan for each seed. The truth is the distance over all 1,797 digits under the same design.
Thresholds lie at fixed ratios to it, so the difficulty of each decision is known. Sequential: a
clear decision for the wrong side is wrong; "with estimate" settles undecided cases by the last
estimate. Fixed: the estimate from the whole plan, which is never undecided.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from benchmarks._common import write_table
from benchmarks.questions._every_mask import DIGITS_PAIRS, make_digits
from skzest import ImageMasker, LimeSignatureTransformer, sequential_distance, zest_distances

TAKES = "15 min"
NEEDS = "no data"
QUICK = {"seeds": 1, "points": 12, "truth": 40}
RATIOS = (0.25, 0.5, 0.8, 0.9, 1.1, 1.25, 2, 4)


def transformer(X, seed, n_reference):
    return LimeSignatureTransformer(
        X,
        n_reference=n_reference,
        masker=ImageMasker(image_shape=(8, 8)),
        n_samples="auto",
        sampling="foldover",
        n_classes=10,
        random_state=seed,
    )


def add_options(parser):
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--points", type=int, default=128, help="of each plan")
    parser.add_argument("--truth", type=int, default=1797, help="points of the true distance")


def main(args):
    pairs = [(kind, *pair) for kind, some in DIGITS_PAIRS.items() for pair in some]
    zoo = {name: make_digits(name) for name in dict.fromkeys(n for _, *p in pairs for n in p)}
    X = load_digits().data / 16
    S = dict(zip(zoo, transformer(X, args.seed, args.truth).fit_transform(list(zoo.values()))))
    truth = {(a, b): zest_distances(S[a], S[b]) for _, a, b in pairs}

    rows = []
    for seed in range(args.seed + 1, args.seed + args.seeds + 1):
        lime = transformer(X, seed, args.points)
        S = dict(zip(zoo, lime.fit_transform(list(zoo.values()))))
        plan = lime.plan_
        for kind, a, b in pairs:
            fixed = zest_distances(S[a], S[b])
            for ratio in RATIOS:
                threshold = ratio * truth[a, b]
                side = "above" if ratio < 1 else "below"
                result = sequential_distance(
                    zoo[a], zoo[b], plan, threshold=threshold, n_classes=10
                )
                last = "above" if result.interval.estimate > threshold else "below"
                clear = result.decision != "undecided"
                rows.append(
                    {
                        "seed": seed,
                        "kind": kind,
                        "pair": f"{a} / {b}",
                        "ratio": ratio,
                        "questions": result.n_queries,
                        "fixed questions": plan.n_queries,
                        "undecided": int(not clear),
                        "wrong": int(clear and result.decision != side),
                        "wrong with estimate": int((result.decision if clear else last) != side),
                        "fixed wrong": int(("above" if fixed > threshold else "below") != side),
                    }
                )
        print(f"seed {seed - args.seed} of {args.seeds}", flush=True)

    print("\nthreshold / truth, decisions, mean questions, of fixed, undecided, wrong, ", end="")
    print("wrong with estimate, fixed wrong")
    for ratio in (*RATIOS, "all"):
        some = [r for r in rows if ratio in ("all", r["ratio"])]
        mean = {key: np.mean([r[key] for r in some]) for key in list(rows[0])[4:]}
        share = mean["questions"] / mean["fixed questions"]
        print(f"{ratio:>5}  {len(some):5}  {mean['questions']:8.0f}  {share:7.2f}", end="")
        for key in ("undecided", "wrong", "wrong with estimate", "fixed wrong"):
            print(f"  {mean[key]:7.4f}", end="")
        print()
    write_table(args.results / "stopping_digits.csv", list(by_cell(rows)))


def by_cell(rows):
    """Means over seeds, by pair and threshold."""
    for cell in dict.fromkeys((r["kind"], r["pair"], r["ratio"]) for r in rows):
        some = [r for r in rows if (r["kind"], r["pair"], r["ratio"]) == cell]
        means = {key: float(np.mean([r[key] for r in some])) for key in list(rows[0])[4:]}
        yield {"decisions": len(some), **dict(zip(("kind", "pair", "ratio"), cell)), **means}
