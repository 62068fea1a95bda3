"""How a training run goes: its settings, and what they mean at each moment."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Protocol

from edge_vision.core.errors import UserError
from training.augment import FINAL, Strength


@dataclass(frozen=True)
class Settings:
    """What a run depends on; kept in its checkpoints."""

    epochs: int = 150
    minutes: float = 0.0  # above 0: the run's length; the schedule then follows the clock
    batch: int = 32
    size: int = 320  # input side of the finished detector, pixels
    start_size: int = 224  # training begins at this side and grows to `size` as the rate falls
    spread: int = 32  # pixels by which a batch's side may differ
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 400
    flat: float = 0.4  # share of the run at full rate, before the cosine to zero
    final: float = 0.15  # share of the run, at its end, with mild augmentation at full size
    average_decay: float = 0.998
    clip: float = 10.0  # greatest norm of the gradient
    teach: float = 1.0  # weight of what a --teacher says, beside the labels
    shares: str = ''  # such as 'a_=0.4,b_=2': how often names that begin so are shown
    seed: int = 0
    val_every: int = 2  # epochs between evaluations
    workers: int = 2  # processes that make the pictures
    precision: str = 'bfloat16'  # or float32


def parse_shares(text: str) -> dict[str, float]:
    """Read how often pictures are shown, by the beginning of their file names."""
    pairs = [part.split('=') for part in text.split(',') if part]
    try:
        return {prefix: float(share) for prefix, share in pairs}
    except ValueError as error:
        raise UserError(f"--shares is '{text}'; something like a_=0.4,b_=2 would do.") from error


class Course(Protocol):
    """What the settings of any training say of its length and rate (see Settings)."""

    @property
    def epochs(self) -> int: ...
    @property
    def minutes(self) -> float: ...
    @property
    def lr(self) -> float: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def flat(self) -> float: ...


def share_done(settings: Course, epoch: float, spent_s: float) -> float:
    """Share of the run that is behind, 0..1; `epoch` counts in fractions."""
    if settings.minutes > 0:
        return min(1.0, spent_s / (60 * settings.minutes))
    return min(1.0, epoch / settings.epochs)


def learning_rate(settings: Course, done: float, step: int) -> float:
    """Rate at a share of the run: linear warm-up by steps, flat, then a cosine to zero."""
    fade = 1.0
    if done > settings.flat:
        fade = 0.5 * (1 + math.cos(math.pi * (done - settings.flat) / (1 - settings.flat)))
    return settings.lr * min(1.0, (step + 1) / max(1, settings.warmup_steps)) * fade


def picture_size(settings: Settings, done: float) -> tuple[int, int, Strength]:
    """Side of an epoch's pictures, its spread, the augmentation: small, wild to full, mild."""
    if done >= 1 - settings.final:
        return settings.size, 0, FINAL
    share = max(0.0, done - settings.flat) / (1 - settings.final - settings.flat)
    # Slowly at first: an epoch of small pictures costs half of one at full size.
    side = settings.start_size + share**2 * (settings.size - settings.start_size)
    return round(side / 32) * 32, settings.spread, Strength()
