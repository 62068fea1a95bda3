"""Train only the last layer, on kept features: a matter of seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
import time

import numpy as np
import torch
from training.gesture.augment import Flips
from training.gesture.checkpoint import save_checkpoint
from training.gesture.dataset import GestureSet
from training.gesture.evaluate import metrics_of
from training.gesture.fit import better, Stop
from training.gesture.loss import class_weights, loss_of
from training.gesture.network import CLASSIFICATION, GestureNet
from training.gesture.settings import Settings
from training.studio.features import is_mirrored, Views

BATCH = 64
KEPT = 'head.pt'  # where the training stands; small, as the backbone does not change


class Sample:
    """All views of a set as tensors; class indices by the labels of now."""

    def __init__(self, images: GestureSet, views: list[Views], flips: Flips, mirror: bool):
        """Put them one after the other."""
        count = len(views[0].features)
        self.features = torch.from_numpy(np.concatenate([v.features for v in views]))
        self.points = torch.from_numpy(np.concatenate([v.points for v in views]))
        classes = []
        for item in images.items:
            for view in range(count):
                turned = item.class_index >= 0 and is_mirrored(view, mirror)
                classes.append(flips.horizontal[item.class_index] if turned else item.class_index)
        self.classes = torch.tensor(classes)
        self.images = images

    def __len__(self) -> int:
        return len(self.classes)


@torch.no_grad()
def judged(model: GestureNet, plain: Sample) -> dict:
    """Give the metrics on plain pictures."""
    outputs = [model.head(plain.features[i : i + BATCH]) for i in range(0, len(plain), BATCH)]
    raw = torch.cat(outputs).float()
    numbers = raw.softmax(1) if model.task == CLASSIFICATION else raw.clamp(0, 1)
    return metrics_of(plain.images, numbers.numpy())


def train_head(
    model: GestureNet,
    data: Sample,
    val: Sample,
    settings: Settings,
    out: Path,
    on_epoch: Callable[[dict], None],
    stop: Stop,
) -> bool:
    """
    Train model.fc in place and write best.pt, as train_gesture does; False where stopped.

    Goes on from what is kept in `out`. val: plain views of the pictures to choose the best epoch.
    """
    torch.manual_seed(settings.seed)
    weights = torch.ones(1)
    if model.task == CLASSIFICATION:
        weights = class_weights(data.images)
    optimizer = torch.optim.AdamW(model.fc.parameters(), settings.lr, weight_decay=0.01)
    history: list[dict] = []
    best: dict | None = None
    kept = {}
    if (out / KEPT).is_file():
        kept = torch.load(out / KEPT, weights_only=True)
        model.fc.load_state_dict(kept['fc'])
        optimizer.load_state_dict(kept['optimizer'])
        history, best = kept['history'], kept['best']
    best_fc = kept.get('best_fc')
    began_s, first = time.monotonic(), len(history)
    for epoch in range(first, settings.epochs):
        if stop.is_set():
            return False
        loss = one_epoch(model, data, settings, optimizer, weights, epoch)
        row = {
            'epoch': epoch + 1,
            'side': settings.size,
            'loss': loss,
            'judged': True,
            **judged(model, val),
        }
        row['done'] = (epoch + 1) / settings.epochs
        pace_s = (time.monotonic() - began_s) / (epoch + 1 - first)
        row['left_s'] = pace_s * (settings.epochs - epoch - 1)
        history.append(row)
        if better(row, best):
            best, best_fc = row, {k: v.clone() for k, v in model.fc.state_dict().items()}
        part = out / f'{KEPT}.part'
        torch.save(
            {
                'fc': model.fc.state_dict(),
                'optimizer': optimizer.state_dict(),
                'history': history,
                'best': best,
                'best_fc': best_fc,
            },
            part,
        )
        part.replace(out / KEPT)
        on_epoch(row)
    if best_fc is not None:
        model.fc.load_state_dict(best_fc)
    save_checkpoint(
        out / 'best.pt',
        {
            'task': model.task,
            'settings': asdict(settings),
            'labels': list(data.images.labels),
            'epoch': len(history),
            'step': 0,
            'spent_s': 0.0,
            'history': history,
            'average': model.state_dict(),
        },
    )
    return True


def one_epoch(
    model: GestureNet,
    data: Sample,
    settings: Settings,
    optimizer: torch.optim.Optimizer,
    weights: torch.Tensor,
    epoch: int,
) -> float:
    """Train on each view once; gives the mean loss."""
    order = torch.from_numpy(np.random.default_rng((settings.seed, epoch)).permutation(len(data)))
    rate = settings.lr * 0.5 * (1 + np.cos(np.pi * epoch / settings.epochs))
    for group in optimizer.param_groups:
        group['lr'] = rate
    losses = []
    for chosen in torch.split(order, BATCH):
        loss = loss_of(
            model,
            data.features[chosen],
            data.classes[chosen],
            data.points[chosen],
            weights,
            settings.smoothing,
            settings.heat,
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))
