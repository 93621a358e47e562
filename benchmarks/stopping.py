# SPDX-License-Identifier: BSD-3-Clause
"""Stopping early: questions spent and wrong decisions, against asking the whole plan.

    python benchmarks/stopping.py --cache DIR [--seeds 25]

Networks of digits, plans of 128 points under n_samples="auto" and sampling="foldover", another one
for each seed. The truth is the distance over all 1,797 digits under the same design; thresholds
lie at a ratio to it, so that decisions are of a known difficulty. Sequential: wrong is a clear
decision for the other side; "with estimate" settles undecided cases by the last estimate. Fixed:
the estimate of the whole plan, never undecided.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from _every_mask import DIGITS_PAIRS, arguments, make_digits
from sklearn.datasets import load_digits

from skzest import ImageMasker, LimeSignatureTransformer, sequential_distance, zest_distances

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


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=25)
    args = parser.parse_args()
    pairs = [(kind, *pair) for kind, some in DIGITS_PAIRS.items() for pair in some]
    zoo = {name: make_digits(name) for name in dict.fromkeys(n for _, *p in pairs for n in p)}
    X = load_digits().data / 16
    S = dict(zip(zoo, transformer(X, 0, len(X)).fit_transform(list(zoo.values()))))
    truth = {(a, b): zest_distances(S[a], S[b]) for _, a, b in pairs}

    rows = []
    for seed in range(1, args.seeds + 1):
        lime = transformer(X, seed, 128)
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
        print(f"seed {seed} of {args.seeds}", flush=True)

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
    write(rows)


def write(rows):
    """Means over seeds, by pair and threshold."""
    cells = dict.fromkeys((r["kind"], r["pair"], r["ratio"]) for r in rows)
    out = Path(__file__).parent / "results" / "stopping_digits.csv"
    out.parent.mkdir(exist_ok=True)
    with open(out, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["decisions", *list(rows[0])[1:]])
        for cell in cells:
            some = [r for r in rows if (r["kind"], r["pair"], r["ratio"]) == cell]
            means = (np.mean([r[key] for r in some]) for key in list(rows[0])[4:])
            writer.writerow([len(some), *cell, *(f"{mean:.5g}" for mean in means)])


if __name__ == "__main__":
    main()
