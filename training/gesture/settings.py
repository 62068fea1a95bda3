"""How a training of train_gesture goes: its settings, and what they mean at each moment."""

from __future__ import annotations

from dataclasses import dataclass

from edge_vision.core.errors import UserError
from training.gesture.network import STRIDE, WIDTH

PRECISIONS = ('bfloat16', 'float32')


@dataclass(frozen=True)
class Settings:
    """What a run depends on; kept in its checkpoints."""

    epochs: int = 60
    minutes: float = 0.0  # above 0: the run's length; the schedule then follows the clock
    batch: int = 32
    size: int = 224  # input side of the finished network, pixels
    start_size: int = 128  # training begins at this side and grows to `size`
    grow: float = 0.5  # share of the run after which the side begins to grow
    final: float = 0.15  # share of the run, at its end, at full size with mild augmentation
    repeat: int = 0  # views of each picture in an epoch (0: enough for about 400 views)
    views: int = 8  # of each picture, where the frozen layers' results are kept
    lr: float = 1e-3
    backbone_lr: float = 1.0  # the backbone's learning rate, as a share of lr
    weight_decay: float = 0.05
    warmup_steps: int = 100
    flat: float = 0.3  # share of the run at full rate, before the cosine to zero
    smoothing: float = 0.1  # of the class labels
    heat: float = 0.1  # weight of the scores' own loss, for points
    average_decay: float = 0.995
    clip: float = 5.0  # greatest norm of the gradient
    patience: int = 0  # evaluations without a better one after which to stop (0: never)
    val_every: int = 2  # epochs between evaluations
    seed: int = 0
    width: int = WIDTH  # channels of the first layer; 64 is ResNet-18
    precision: str = 'bfloat16'  # or float32


def check(settings: Settings) -> None:
    """Raise UserError for settings that cannot be."""
    for name in ('size', 'start_size'):
        value = getattr(settings, name)
        if value < STRIDE or value % STRIDE:
            raise UserError(
                f'--{name.replace("_", "-")} is {value}; a multiple of {STRIDE} would do.'
            )
    for name in ('epochs', 'batch', 'views', 'lr', 'val_every', 'width'):
        value = getattr(settings, name)
        if not value > 0:
            raise UserError(f'--{name.replace("_", "-")} is {value}; more than 0 would do.')
    if settings.precision not in PRECISIONS:
        raise UserError(
            f"--precision is '{settings.precision}'; {' or '.join(PRECISIONS)} would do."
        )


def picture_side(settings: Settings, done: float) -> int:
    """Side of the pictures at a share of the run; it only ever grows."""
    if done >= 1 - settings.final:
        return settings.size
    start = min(settings.start_size, settings.size)
    share = max(0.0, done - settings.grow) / max(1e-9, 1 - settings.final - settings.grow)
    side = start + share * (settings.size - start)
    return max(STRIDE, round(side / STRIDE) * STRIDE)
