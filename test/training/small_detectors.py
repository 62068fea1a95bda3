"""Detectors small enough to be trained in a test."""

from __future__ import annotations

from training.network import BASE_WIDTHS
from training.schedule import Settings

NARROW = {name: [8] * len(row) for name, row in BASE_WIDTHS.items()}
QUICK = Settings(
    epochs=2, batch=4, size=96, start_size=64, spread=0, warmup_steps=2, workers=0, val_every=1
)
