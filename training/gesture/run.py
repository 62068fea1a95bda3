"""One training of a gesture network: its epochs and steps."""

from __future__ import annotations

from collections.abc import Iterator
import math
import time
from typing import Protocol

from edge_vision.core.errors import UserError
import torch
from torch import nn
from tqdm import tqdm
from training.average import settle_batch_norm
from training.gesture.augment import MILD, Strength, WILD
from training.gesture.feed import Batch, epoch_batches, feed, Pictures
from training.gesture.loss import class_weights, loss_of
from training.gesture.network import CLASSIFICATION, to_input
from training.gesture.settings import picture_side, Settings
from training.gesture.state import State
from training.schedule import learning_rate, share_done

SETTLE_BATCHES = 16  # batches on which the averaged network's batch norm is measured
LEAST_VIEWS = 400  # of an epoch, where the pictures are few


class Stop(Protocol):
    """Anything like threading.Event: the run ends after the batch in which it is set."""

    def is_set(self) -> bool: ...


class Run:
    """One training: its pictures, settings and state; `epochs()` trains until it is over."""

    def __init__(
        self, pictures: Pictures, state: State, settings: Settings, stop: Stop | None, quiet: bool
    ) -> None:
        self.pictures, self.state, self.settings = pictures, state, settings
        self.stop, self.quiet = stop, quiet
        self.repeat = settings.repeat or max(1, math.ceil(LEAST_VIEWS / len(pictures)))
        self.begin_s = time.monotonic() - state.spent_s
        self.device = next(state.model.parameters()).device
        self.weights = torch.ones(1)
        if pictures.set.task == CLASSIFICATION:
            self.weights = class_weights(pictures.set).to(self.device)

    def clock(self) -> float:
        """Seconds of training so far, of earlier parts of the run too."""
        return time.monotonic() - self.begin_s

    @property
    def stopped(self) -> bool:
        """Whether someone asked for the end."""
        return self.stop is not None and self.stop.is_set()

    def done(self, part: float = 0.0) -> float:
        """Share of the run that is behind."""
        return share_done(self.settings, self.state.epoch + part, self.clock())

    def keys(self, seed: int) -> list[list[tuple[int, int]]]:
        """Say which pictures are in each batch of this epoch."""
        epoch = self.state.epoch
        return epoch_batches(self.pictures, self.settings.batch, self.repeat, seed, epoch)

    def batches(self, seed: int, side: int, strength: Strength, most: int = 0) -> Iterator[Batch]:
        """Batches of this epoch; `most` limits them where it is above 0."""
        keys = self.keys(seed)
        keys = keys[:most] if most else keys
        return feed(self.pictures, keys, seed, self.state.epoch, side, strength)

    def side(self, done: float) -> int:
        """Side of the pictures at a share of the run."""
        return picture_side(self.settings, done)

    def begin(self) -> None:
        """Set the network to training."""
        self.state.model.train()

    def autocast(self) -> torch.autocast:
        """Compute in the precision of the settings."""
        return torch.autocast(
            self.device.type, torch.bfloat16, self.settings.precision == 'bfloat16'
        )

    def see(self, bgr: torch.Tensor) -> torch.Tensor:
        """Compute the features of a batch's pictures."""
        with self.autocast():
            return self.state.model.features(to_input(bgr.to(self.device)))

    def epoch(self) -> dict | None:
        """Train for one epoch; return its row, or None where it was stopped in the middle."""
        state, settings = self.state, self.settings
        start = self.done()
        side = self.side(start)
        strength = MILD if start >= 1 - settings.final else WILD
        count = len(self.keys(settings.seed))
        self.begin()
        total, rate = 0.0, 0.0
        batches = self.batches(settings.seed, side, strength)
        title = f'epoch {state.epoch + 1}'
        bar = tqdm(batches, title, count, unit='batch', mininterval=5, disable=self.quiet)
        for i, batch in enumerate(bar):
            if self.stopped:
                bar.close()
                return None
            rate = learning_rate(settings, self.done(i / count), state.step)
            loss = self.step(batch, rate)
            if not math.isfinite(loss):
                raise UserError(
                    f'The loss is {loss} in epoch {state.epoch + 1}, batch {i + 1} (rate'
                    f' {rate:.2g}); stopped. The last good checkpoint is kept; try a lower --lr.'
                )
            total += loss
            bar.set_postfix(loss=f'{total / (i + 1):.3f}', refresh=False)
        state.epoch += 1
        return {'epoch': state.epoch, 'side': side, 'lr': rate, 'loss': total / count}

    def step(self, batch: Batch, rate: float) -> float:
        """Train on one batch; return its loss. Nothing changes where that is not finite."""
        state, settings = self.state, self.settings
        seen, classes, points = batch
        for group in state.optimizer.param_groups:
            group['lr'] = rate * group['share']
        loss = loss_of(
            state.model,
            self.see(seen).float(),
            classes.to(self.device),
            points.to(self.device),
            self.weights,
            settings.smoothing,
            settings.heat,
        )
        value = float(loss.detach())
        if math.isfinite(value):
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip)
            state.optimizer.step()
            state.average.update(state.model)
            state.step += 1
        return value

    def settle(self, side: int) -> None:
        """Measure the average's batch norm on pictures as they are in training."""
        batches = self.batches(self.settings.seed + 1, side, MILD, SETTLE_BATCHES)
        settle_batch_norm(
            self.state.average.model, (to_input(bgr.to(self.device)) for bgr, *_ in batches)
        )

    def left_s(self, first: int, before_s: float) -> float:
        """Seconds that the rest will take, at the pace since epoch `first`."""
        if self.settings.minutes > 0:
            return max(0.0, 60 * self.settings.minutes - self.clock())
        pace_s = (self.clock() - before_s) / max(1, self.state.epoch - first)
        return pace_s * max(0, self.settings.epochs - self.state.epoch)
