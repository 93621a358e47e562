# SPDX-License-Identifier: BSD-3-Clause
"""The suite on digits, and how its networks are made."""

import copy
import json

import numpy as np
import pytest
import torch

from benchmarks._common import read_table
from benchmarks._registry import named
from benchmarks.paper import page, relatives, unlearning
from benchmarks.paper.bench import Finding
from benchmarks.paper.fig6_shared import Without
from benchmarks.paper.settings import SCALES
from benchmarks.paper.tasks import image_task
from benchmarks.paper.training import Schedule, Watcher, train
from benchmarks.paper.workshop import Workshop

DIGITS = SCALES["digits"]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)  # networks as small as these wait for one another with more


def workshop(folder):
    task = image_task(None, DIGITS.n_train, DIGITS.n_test)
    return Workshop(task, DIGITS, folder, lambda line: None)


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("forgets", [False, True])
def test_training_that_was_cut_off_goes_on_to_the_bit(tmp_path, forgets):
    whole, found = {}, {}
    for name, cut in (("whole", False), ("cut off", True)):
        shop = workshop(tmp_path / name)
        rows = unlearning.forgotten_rows(shop)
        start = shop.fresh("residual", 0)

        def run(shop=shop, start=start, rows=rows):
            watcher = unlearning.Amnesia(rows) if forgets else Watcher()
            return shop.train("a", start, 3, epochs=4, keep=(2,), watcher=watcher), watcher.state

        networks, state = run()
        if cut:
            last = tmp_path / name / "a" / "epoch004.pt"
            saved = torch.load(tmp_path / name / "a" / "epoch002.pt")
            assert "optimizer" in saved
            last.unlink()
            shop.count_anew()
            networks, state = run()
            assert last.exists()
        found[name], whole[name] = networks, state
    assert same(found["whole"][4], found["cut off"][4])
    assert not same(found["whole"][2], found["whole"][4])
    assert whole["whole"].keys() == whole["cut off"].keys()
    for key, change in whole["whole"].items():
        assert torch.equal(change, whole["cut off"][key])
    assert bool(whole["whole"]) == forgets


def test_checkpoints_that_only_served_to_go_on_are_forgotten(tmp_path):
    net = torch.nn.Linear(2, 2)

    def loss(net, rows, rng):
        return net(torch.ones(len(rows), 2)).square().mean()

    states, _ = train(net, 8, loss, Schedule(5, 0.1), seed=0, folder=tmp_path, keep={2})
    assert sorted(states) == [2, 5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch002.pt", "epoch005.pt"]


def test_pruned_weights_stay_at_zero_and_the_others_learn(tmp_path):
    shop = workshop(tmp_path)
    net = shop.fresh("mobile", 0)
    pruned = relatives.pruned(shop, net, "pruned", 0, share=0.5)
    weights = [m.weight for m in pruned.modules() if isinstance(m, torch.nn.Conv2d)]
    zeros = sum(int((w == 0).sum()) for w in weights)
    assert zeros == round(0.5 * sum(w.numel() for w in weights))
    before = net.conv1.weight[pruned.conv1.weight != 0]
    assert not torch.equal(before, pruned.conv1.weight[pruned.conv1.weight != 0])


def test_transfer_changes_the_last_arrays_only(tmp_path):
    shop = workshop(tmp_path)
    net = shop.fresh("residual", 0)
    original = copy.deepcopy(net)
    moved = relatives.transferred(shop.restricted((6, 7, 8)), net, "moved", 0, share=0.2)
    assert same(net, original)
    assert moved.linear.out_features == 3
    old = net.state_dict()
    changed = {
        key
        for key, value in moved.state_dict().items()
        if not key.startswith("linear") and not torch.equal(value, old[key])
    }
    assert changed
    assert all(key.startswith("layer3.0.") for key in changed)


def test_amnesiac_batches_keep_the_forgotten_images_apart():
    watcher = unlearning.Amnesia(np.array([3, 5, 7]))
    batches = watcher.batches(40, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(40))
    apart = [sorted(batch.tolist()) for batch in batches if 5 in batch]
    assert apart == [[3, 5, 7]]


def test_batches_without_some_images_keep_the_order_of_the_others():
    rows, rng = np.array([3, 5, 7]), np.random.default_rng
    whole = Watcher().batches(40, 8, rng(0))
    batches = Without(rows).batches(40, 8, rng(0))
    assert [[i for i in b if i not in rows] for b in whole] == [b.tolist() for b in batches]
    assert sum(map(len, batches)) == 37


def test_one_cycle_rises_for_three_tenths_and_falls_to_zero():
    schedule = Schedule(20, 0.2, one_cycle=True)
    rates = [schedule.rate_at(epoch) for epoch in range(1, 21)]
    assert max(rates) > 0.19 and np.argmax(rates) in (5, 6)
    assert rates[-1] < 0.002
    assert SCALES["medium"].one_cycle and not SCALES["small"].one_cycle


def test_quantised_weights_have_few_levels(tmp_path):
    net = workshop(tmp_path).fresh("residual", 0)
    rounded = relatives.quantised(net, bits=4)
    assert len(net.conv1.weight.unique()) > 15 >= len(rounded.conv1.weight.unique())


@pytest.mark.parametrize(
    ("values", "percent", "text"),
    [
        ([0.5, 0.7], True, "60.00 (14.14)%"),
        ([0.25], False, "0.25"),
        ([1, 3], False, "2 (1.41)"),
    ],
)
def test_findings_in_words(values, percent, text):
    assert Finding.of("x", values, percent=percent).text == text


def test_page_says_what_was_not_run(tmp_path):
    text = page.write_page(tmp_path).read_text()
    assert "| related closer, at the end | 99.27 (0.19)% | not run | not run |" in text
    assert "**medium**" in text
    assert "| digits |" not in text and "**digits**" not in text


def test_every_experiment_runs_on_digits(tmp_path):
    named("paper/suite").run(["--quick", "--cache", str(tmp_path)])
    results = tmp_path / "quick" / "digits"
    for name in page.EXPERIMENTS:
        record = json.loads((results / f"{name}.json").read_text())
        assert record["task"] == "digits"
        assert record["findings"]
        assert all(np.isfinite(f["value"]) for f in record["findings"])
        assert read_table(results / f"{name}.csv")
    text = (tmp_path / "quick" / "README.md").read_text()
    for name in ("fig2", "fig3", "app_d", "fig5", "agreement", "fig6", "table1"):
        assert f"(digits/{name}.png)" in text
