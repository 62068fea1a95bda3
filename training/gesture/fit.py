"""The training loop of the gesture networks; resumable after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
import math
from pathlib import Path
import time
from typing import Protocol

from edge_vision.core.errors import UserError
import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from training.average import Average, settle_batch_norm
from training.gesture.augment import MILD, Strength, WILD
from training.gesture.checkpoint import load_checkpoint, save_checkpoint
from training.gesture.dataset import GestureSet
from training.gesture.evaluate import metrics_of, outputs_of
from training.gesture.feed import Batch, epoch_batches, feed, Pictures
from training.gesture.loss import class_weights, loss_of
from training.gesture.network import CLASSIFICATION, GestureNet, make_network, to_input
from training.gesture.pictures import write_curves
from training.gesture.settings import learning_rate, picture_side, Settings, share_done
from training.gesture.start import init_weights

SETTLE_BATCHES = 16  # batches on which the averaged network's batch norm is measured
LEAST_VIEWS = 400  # of an epoch, where the pictures are few
HEAD_VIEWS = 8  # of each picture, where only the last layer is trained
HEAD_BATCH = 32
HEAD_RATE = 5.0  # its learning rate then, times that of a whole network


class Stop(Protocol):
    """Anything like threading.Event: the run ends after the batch in which it is set."""

    def is_set(self) -> bool: ...


@dataclass
class State:
    """What changes in a run: the network and its average, the optimizer, and how far it is."""

    model: GestureNet
    average: Average[GestureNet]
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    spent_s: float = 0.0
    history: list[dict] = field(default_factory=list)


def make_optimizer(model: GestureNet, settings: Settings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); only kernels decay; a rate of its own for the last."""
    groups = []
    for last in (False, True):
        own = [p for k, p in model.named_parameters() if k.startswith('fc.') is last]
        for kernels in (True, False):
            groups.append(
                {
                    'params': [p for p in own if (p.ndim > 1) is kernels],
                    'weight_decay': settings.weight_decay if kernels else 0.0,
                    'share': 1.0 if last else settings.backbone_lr,
                }
            )
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.99))


def restore(state: State, file: Path, labels: tuple[str, ...]) -> None:
    """Go back to where last.pt was written."""
    saved = load_checkpoint(file)
    same = saved['task'] == state.model.task and tuple(saved['labels']) == labels
    if not same or saved['settings']['width'] != state.model.width:
        raise UserError(
            f'{file} is of another network or other labels ({", ".join(saved["labels"])});'
            ' choose another --out.'
        )
    state.model.load_state_dict(saved['model'])
    state.model.pretrained = saved.get('pretrained', False)
    state.average.model.load_state_dict(saved['average'])
    state.optimizer.load_state_dict(saved['optimizer'])
    state.average.steps = state.step = saved['step']
    state.epoch, state.spent_s, state.history = saved['epoch'], saved['spent_s'], saved['history']


def better(row: dict, than: dict | None) -> bool:
    """Tell whether an evaluation beats another; at a larger side it always does."""
    if than is None or row['side'] != than['side']:
        return than is None or row['side'] > than['side']
    if 'error_px' in row:
        return row['error_px'] <= than['error_px']
    if 'accuracy' in row:
        return (row['accuracy'], -row['log_loss']) >= (than['accuracy'], -than['log_loss'])
    return True  # nothing to choose by: the newest


def best_row(history: list[dict]) -> dict | None:
    """Return the best evaluation so far."""
    best = None
    for row in history:
        if row['judged'] and better(row, best):
            best = row
    return best


def save(state: State, out: Path, settings: Settings, labels: tuple[str, ...]) -> None:
    """Write last.pt, and best.pt where the newest evaluation is the best so far."""
    network = {
        'task': state.model.task,
        'settings': asdict(settings),
        'labels': list(labels),
        'pretrained': state.model.pretrained,
        'epoch': state.epoch,
        'step': state.step,
        'spent_s': state.spent_s,
        'history': state.history,
        'average': state.average.model.state_dict(),
    }
    if best_row(state.history) is state.history[-1]:
        save_checkpoint(out / 'best.pt', network)
    save_checkpoint(
        out / 'last.pt',
        {**network, 'model': state.model.state_dict(), 'optimizer': state.optimizer.state_dict()},
    )


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

    def begin(self) -> None:
        """Set the network to training."""
        self.state.model.train()

    def see(self, bgr: torch.Tensor) -> torch.Tensor:
        """Compute the features of a batch's pictures."""
        with torch.autocast(
            self.device.type, torch.bfloat16, self.settings.precision == 'bfloat16'
        ):
            return self.state.model.features(to_input(bgr.to(self.device)))

    def epoch(self) -> dict | None:
        """Train for one epoch; return its row, or None where it was stopped in the middle."""
        state, settings = self.state, self.settings
        start = self.done()
        side = picture_side(settings, start)
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


def begin(
    data: GestureSet,
    settings: Settings,
    out: Path,
    init: Path | None,
    weights: str | Path,
    device: str,
) -> State:
    """Make the network with its average and optimizer, or read them from last.pt."""
    torch.manual_seed(settings.seed)
    resumes = (out / 'last.pt').is_file()
    start = 'none' if resumes or init is not None else weights
    model = make_network(data.task, len(data.labels), start, settings.width)
    if init is not None and not resumes:
        init_weights(model, data.labels, init)
    model = model.to(device).to(memory_format=torch.channels_last)
    average = Average(model, settings.average_decay)
    state = State(model, average, make_optimizer(model, settings))
    if resumes:
        restore(state, out / 'last.pt', data.labels)
    return state


def say(quiet: bool, text: str) -> None:
    """Print a line."""
    if not quiet:
        print(text, flush=True)


def train(
    data: GestureSet,
    val: GestureSet | None,
    settings: Settings,
    out: Path,
    *,
    pictures: Pictures,
    init: Path | None = None,
    weights: str | Path = 'none',
    freeze: bool = False,
    device: str = 'cpu',
    on_epoch: Callable[[dict], None] | None = None,
    stop: Stop | None = None,
    quiet: bool = False,
) -> Path:
    """
    Train in `out`, going on from its last.pt where there is one; return best.pt's path.

    pictures: those of `data`. init: a checkpoint or model file to begin with. weights: see
    make_network. freeze: train the last layer only. on_epoch is called with each epoch's row:
    epoch, side, lr, loss, done (0..1), left_s, and the metrics of evaluate.py on `val` where
    `judged` is true.
    """
    out.mkdir(parents=True, exist_ok=True)
    # 1. the network
    state = begin(data, settings, out, init, weights, device)
    model, average = state.model, state.average
    if freeze and not model.pretrained:
        say(quiet, 'The backbone has learned nothing yet: the whole network is trained.')
    if state.epoch:
        say(quiet, f'going on after epoch {state.epoch}')
    # 2. the pictures
    val_pictures = None if val is None else Pictures.plain_only(val, settings.size)
    kind = HeadRun if freeze and model.pretrained else Run
    this = kind(pictures, state, settings, stop, quiet)
    first, before_s = state.epoch, state.spent_s
    # 3. the epochs
    while this.done() < 1 and not this.stopped and not worn_out(state.history, settings):
        row = this.epoch()
        if row is None:
            break
        row['done'] = this.done()
        # 4. now and then, how good it is
        row['judged'] = state.epoch % settings.val_every == 0 or row['done'] >= 1
        if row['judged']:
            this.settle(row['side'])
            if val is not None and val_pictures is not None:
                outputs = outputs_of(average.model, data.task, val_pictures, row['side'])
                row.update(metrics_of(val, outputs))
        # 5. keep it
        state.history.append(row)
        state.spent_s = this.clock()
        row['left_s'] = this.left_s(first, before_s)
        save(state, out, settings, data.labels)
        write_curves(out, state.history)
        say(quiet, line_of(row))
        if on_epoch is not None:
            on_epoch(row)
    return out / 'best.pt'


def worn_out(history: list[dict], settings: Settings) -> bool:
    """Tell whether the last `patience` evaluations at full side brought nothing better."""
    judged = [row for row in history if row['judged'] and row['side'] == settings.size]
    if settings.patience <= 0 or len(judged) <= settings.patience:
        return False
    best = best_row(judged)
    return best not in judged[-settings.patience :]


def line_of(row: dict) -> str:
    """Say an epoch in a line."""
    judged = ''
    if 'error_px' in row:
        judged = f', error {row["error_px"]:.1f} px, {row["within_20_px"]:.0%} within 20'
    elif 'accuracy' in row:
        judged = f', accuracy {row["accuracy"]:.3f}'
    return (
        f'epoch {row["epoch"]} ({row["done"]:.0%}), {row["side"]} px: loss {row["loss"]:.3f}'
        f'{judged}; about {row["left_s"] / 60:.0f} min left'
    )
