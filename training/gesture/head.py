"""
Training of the last layers alone: what comes before them is computed once.

Each picture is seen in some augmented views; what the frozen layers make of them is kept, and the
others learn from that, in seconds (the last layer) or minutes (layer4 too). Good where the
backbone knows such pictures already, and where pictures, time or processors are few.
"""

from __future__ import annotations

from collections.abc import Iterator
import zlib

import numpy as np
import torch
from tqdm import tqdm
from training.average import settle_batch_norm
from training.gesture.augment import MILD, Strength, WILD
from training.gesture.feed import Batch, feed
from training.gesture.network import to_input
from training.gesture.run import Run, SETTLE_BATCHES

LAST, LAYER4 = 'last', 'layer4'  # what is trained
MOST_VIEWS = 2**16

Kept = dict[tuple[str, int], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


class HeadRun(Run):
    """
    Trains the last layer, or also layer4, on what is kept of each view.

    trained: LAST or LAYER4. kept: by file and view, so that several runs from the same start can
    share it (cross validation).
    """

    trained = LAST
    kept: Kept
    index: list[tuple[str, int]]

    def use(self, trained: str, kept: Kept) -> None:
        """Say what is trained, and compute what is not kept yet."""
        self.trained, self.kept = trained, kept
        settings, items = self.settings, self.pictures.set.items
        files = [str(item.file) for item in items]
        views = range(settings.views)
        self.index = [(file, view) for file in files for view in views]
        missing = [
            (i, view) for i, file in enumerate(files) for view in views if (file, view) not in kept
        ]
        turns = [(i, zlib.crc32(files[i].encode()) * MOST_VIEWS + view) for i, view in missing]
        keys = [[turns[t] for t in part] for part in batched(len(turns), settings.batch)]
        strength = WILD if trained == LAYER4 else MILD
        batches = feed(self.pictures, keys, settings.seed, 0, settings.size, strength)
        bar = tqdm(batches, 'features', len(keys), unit='batch', mininterval=5, disable=self.quiet)
        self.state.model.eval()
        places = iter(missing)
        with torch.no_grad():
            for bgr, classes, points in bar:
                seen = self.early(bgr).half().cpu()
                for row in zip(seen, classes, points):
                    i, view = next(places)
                    kept[files[i], view] = row

    def early(self, bgr: torch.Tensor) -> torch.Tensor:
        """Compute what the frozen layers make of pictures."""
        with self.autocast():
            x = self.state.model.early(to_input(bgr.to(self.device)))
            return x if self.trained == LAYER4 else self.state.model.late(x)

    def keys(self, seed: int) -> list[list[tuple[int, int]]]:
        """Say which views are in each batch of this epoch."""
        rng = np.random.default_rng((seed, self.state.epoch))
        order = rng.permutation(len(self.index))
        return [[(int(order[t]), t) for t in p] for p in batched(len(order), self.settings.batch)]

    def batches(self, seed: int, side: int, strength: Strength, most: int = 0) -> Iterator[Batch]:
        """Give what is kept of this epoch's views."""
        keys = self.keys(seed)
        for batch in keys[:most] if most else keys:
            rows = [self.kept[self.index[place]] for place, _ in batch]
            features, classes, points = (torch.stack(column) for column in zip(*rows))
            yield features.float(), classes, points

    def side(self, done: float) -> int:
        """Side of the pictures: the same all along."""
        return self.settings.size

    def begin(self) -> None:
        """Leave the batch norm of the frozen layers as it is."""
        self.state.model.eval()
        if self.trained == LAYER4:
            self.state.model.layer4.train()

    def see(self, bgr: torch.Tensor) -> torch.Tensor:
        """Compute the features of what is kept."""
        if self.trained == LAST:
            return bgr.to(self.device)
        with self.autocast():
            return self.state.model.late(bgr.to(self.device))

    def settle(self, side: int) -> None:
        """Measure the batch norm that has changed."""
        model = self.state.average.model
        if self.trained == LAST:
            model.load_state_dict(self.state.model.state_dict())
            return
        batches = self.batches(self.settings.seed + 1, side, MILD, SETTLE_BATCHES)
        settle_batch_norm(model.layer4, (kept.to(self.device) for kept, *_ in batches))


def batched(count: int, batch: int) -> list[range]:
    """Cut 0..count into batches."""
    return [range(i, min(i + batch, count)) for i in range(0, count, batch)]
