"""Training of the last layer alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from tqdm import tqdm
from training.gesture.augment import MILD, Strength
from training.gesture.feed import Batch, feed
from training.gesture.run import Run

HEAD_VIEWS = 8  # of each picture
HEAD_BATCH = 32
HEAD_RATE = 5.0  # its learning rate, times that of a whole network


class HeadRun(Run):
    """
    Trains the last layer alone, in seconds: what comes before it is computed once.

    Each picture is seen in a few augmented views; their features are kept, and the last layer
    learns from them. Good where the backbone knows such pictures already, and for few pictures.
    """

    kept: Batch | None = None

    def views(self) -> Batch:
        """Compute the features of all pictures in all views, or return those of before."""
        if self.kept is None:
            state, settings = self.state, self.settings
            count = len(self.pictures)
            keys = [[(t % count, t) for t in turns] for turns in batched(count * HEAD_VIEWS)]
            seen = feed(self.pictures, keys, settings.seed, 0, settings.size, MILD)
            bar = tqdm(seen, 'features', len(keys), unit='batch', disable=self.quiet)
            state.model.eval()
            with torch.no_grad():
                parts = [(Run.see(self, bgr).float(), *labels) for bgr, *labels in bar]
            features, classes, points = (torch.cat(column) for column in zip(*parts))
            self.kept = features, classes, points
        return self.kept

    def keys(self, seed: int) -> list[list[tuple[int, int]]]:
        """Say which views are in each batch of this epoch."""
        rng = np.random.default_rng((seed, self.state.epoch))
        order = rng.permutation(len(self.views()[0]))
        return [[(int(order[t]), t) for t in turns] for turns in batched(len(order))]

    def batches(self, seed: int, side: int, strength: Strength, most: int = 0) -> Iterator[Batch]:
        """Give the features of this epoch's views."""
        for keys in self.keys(seed):
            features, classes, points = (column[[k for k, _ in keys]] for column in self.views())
            yield features, classes, points

    def begin(self) -> None:
        """Leave batch norm as it is."""
        self.state.model.eval()

    def see(self, bgr: torch.Tensor) -> torch.Tensor:
        """Return what is features already."""
        return bgr

    def step(self, batch: Batch, rate: float) -> float:
        """Train on one batch, faster than a whole network would bear."""
        return super().step(batch, HEAD_RATE * rate)

    def settle(self, side: int) -> None:
        """Take the newest layer; batch norm has not changed."""
        self.state.average.model.load_state_dict(self.state.model.state_dict())


def batched(count: int, batch: int = HEAD_BATCH) -> list[range]:
    """Cut 0..count into batches."""
    return [range(i, min(i + batch, count)) for i in range(0, count, batch)]
