"""What changes in a training of a gesture network, and how it is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge_vision.core.errors import UserError
import torch
from training.average import Average
from training.gesture.checkpoint import load_checkpoint, save_checkpoint
from training.gesture.dataset import GestureSet
from training.gesture.network import GestureNet, make_network
from training.gesture.settings import Settings
from training.gesture.start import init_weights


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


def worn_out(history: list[dict], settings: Settings) -> bool:
    """Tell whether the last `patience` evaluations at full side brought nothing better."""
    judged = [row for row in history if row['judged'] and row['side'] == settings.size]
    if settings.patience <= 0 or len(judged) <= settings.patience:
        return False
    best = best_row(judged)
    return best not in judged[-settings.patience :]
