# SPDX-License-Identifier: BSD-3-Clause
"""How large the experiments are: on digits, on a small CPU, and as in the paper."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """One scale. Epochs, gaps and seeds are those of image networks; Figure 4 has its own.

    Parameters
    ----------
    n_train, n_test : int
        Images to train on, and to measure accuracy on.
    n_blocks, widths, stride : int, tuple, int
        Of the residual networks (``6 n_blocks + 2`` layers) and, except for ``n_blocks``, of the
        MobileNet-like ones; ``stride`` is that of the first convolution.
    epochs : int
        Of a training from scratch.
    one_cycle : bool
        Whether the rate rises for three tenths of the epochs and falls to zero afterwards;
        otherwise it drops to a tenth after a half and after three quarters.
    bfloat16 : bool
        Whether networks are trained in mixed precision (they answer in single precision); a
        quarter faster on processors that have it.
    short : int
        Epochs of a fine-tuning: pruned networks, transferred ones, approximate unlearning.
    every : int
        Epochs between compared checkpoints.
    gap : int
        Epochs between relatives in Figure 2.
    gaps : tuple of int
        The same in Appendix D.
    n_seeds : int
        Trainings from scratch with the same data.
    n_victims : int
        How many of these are extracted, and forget.
    n_by_heart : int
        Networks that learn images without augmentation, with and without those to be forgotten; 0
        leaves these rows of Figure 6 out.
    n_sources, n_retrained : int
        For each architecture of Table 1: networks that are reused, and networks trained from
        scratch (including the sources) that define what is unrelated.
    n_points, n_masks, sampling
        The questions: reference points, masks for each ("auto": 64 for 8 to 15 parts, 128 for
        16 to 31), and their design.
    """

    name: str
    n_train: int
    n_test: int
    n_blocks: int
    widths: tuple[int, int, int]
    stride: int
    epochs: int
    short: int
    every: int
    gap: int
    gaps: tuple[int, ...]
    n_seeds: int
    n_victims: int
    n_sources: int
    n_retrained: int
    n_points: int
    n_masks: int | str
    sampling: str
    rate: float = 0.1
    batch_size: int = 128
    one_cycle: bool = False
    bfloat16: bool = False
    n_by_heart: int = 2
    n_forgotten: int = 128
    most_points: int = 128  # of Figure 3
    agreement_points: tuple[int, ...] = (128, 1280)

    @property
    def looked_at(self) -> list[int]:
        """Epochs whose checkpoints are compared, in order."""
        return list(range(self.every, self.epochs + 1, self.every))

    @property
    def kept(self) -> list[int]:
        """Epochs whose checkpoints are kept."""
        earlier = {self.epochs - gap for gap in self.gaps}
        return sorted({*self.looked_at, *earlier, self.epochs // 2})


SCALES = {
    settings.name: settings
    for settings in (
        Settings(
            "digits",
            n_train=512,
            n_test=400,
            n_blocks=1,
            widths=(8, 12, 16),
            stride=2,
            epochs=6,
            short=2,
            every=1,
            gap=2,
            gaps=(1, 2),
            n_seeds=3,
            n_victims=1,
            n_sources=1,
            n_retrained=3,
            n_points=12,
            n_masks=64,
            sampling="foldover",
            batch_size=32,
            n_forgotten=32,
            most_points=24,
            agreement_points=(32, 256),
        ),
        Settings(
            "small",
            n_train=6_000,
            n_test=3_000,
            n_blocks=1,
            widths=(16, 32, 64),
            stride=2,
            epochs=24,
            short=4,
            every=1,
            gap=5,
            gaps=(1, 5, 10),
            n_seeds=5,
            n_victims=3,
            n_sources=1,
            n_retrained=4,
            n_points=32,
            n_masks="auto",
            sampling="foldover",
        ),
        Settings(
            "medium",
            n_train=18_000,
            n_test=3_000,
            n_blocks=1,
            widths=(16, 32, 64),
            stride=1,
            epochs=28,
            short=4,
            every=1,
            gap=5,
            gaps=(1, 5, 10),
            n_seeds=5,
            n_victims=2,
            n_sources=1,
            n_retrained=3,
            n_points=32,
            n_masks="auto",
            sampling="foldover",
            n_by_heart=0,
            rate=0.2,
            one_cycle=True,
            bfloat16=True,
        ),
        Settings(
            "full",
            n_train=50_000,
            n_test=10_000,
            n_blocks=3,
            widths=(16, 32, 64),
            stride=1,
            epochs=200,
            short=20,
            every=5,
            gap=5,
            gaps=(1, 10, 20, 50),
            n_seeds=5,
            n_victims=5,
            n_sources=2,
            n_retrained=5,
            n_points=128,
            n_masks=1000,
            sampling="bernoulli",
        ),
    )
}
