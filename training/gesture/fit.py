"""The training loop of the gesture networks; resumable after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from training.gesture.dataset import GestureSet
from training.gesture.evaluate import metrics_of, outputs_of
from training.gesture.feed import Pictures
from training.gesture.head import HeadRun, Kept, LAST
from training.gesture.pictures import write_curves
from training.gesture.run import LEAST_VIEWS, Run, SETTLE_BATCHES, Stop
from training.gesture.settings import Settings
from training.gesture.state import begin, best_row, better, save, worn_out

__all__ = ['LEAST_VIEWS', 'SETTLE_BATCHES', 'Stop', 'best_row', 'better', 'train']


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
    freeze: bool | str = False,
    kept: Kept | None = None,
    device: str = 'cpu',
    on_epoch: Callable[[dict], None] | None = None,
    stop: Stop | None = None,
    quiet: bool = False,
) -> Path:
    """
    Train in `out`, going on from its last.pt where there is one; return best.pt's path.

    pictures: those of `data`. init: a checkpoint or model file to begin with. weights: see
    make_network. freeze: train the last layer only (True), or what LAST and LAYER4 name. kept:
    what other such runs from the same start have computed. on_epoch is called with each epoch's
    row: epoch, side, lr, loss, done (0..1), left_s, and the metrics of evaluate.py on `val` where
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
    if isinstance(this, HeadRun):
        this.use(LAST if freeze is True else str(freeze), {} if kept is None else kept)
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
