"""Cross validation: each part of the pictures is judged by a network that has not seen it."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path

import numpy as np
from training.gesture.checkpoint import averaged_model, load_checkpoint
from training.gesture.dataset import GestureSet
from training.gesture.evaluate import metrics_of, outputs_of
from training.gesture.feed import Pictures
from training.gesture.split import folds_of

TrainFold = Callable[[GestureSet, Path], Path]  # trains on a set in a folder; gives a checkpoint


def cross_validate(
    data: GestureSet, count: int, burst: int, seed: int, out: Path, train_fold: TrainFold
) -> dict:
    """
    Train and judge `count` times; return the metrics of each fold, their mean, and of all.

    What is done is kept in out/foldN/outputs.json, so that the same command goes on after a kill.
    """
    fold = folds_of(data, count, burst, seed)
    outputs = np.zeros(0)
    rows = []
    for number in range(count):
        held = np.flatnonzero(fold == number)
        folder = out / f'fold{number + 1}'
        own = fold_outputs(data, held, np.flatnonzero(fold != number), folder, train_fold)
        if not len(outputs):
            outputs = np.zeros((len(data.items), *own.shape[1:]))
        outputs[held] = own
        rows.append(metrics_of(data.part(held), own))
        name = 'accuracy' if 'accuracy' in rows[-1] else 'error_px'
        print(
            f'fold {number + 1}: {name} {rows[-1][name]:.4g} of {len(held)} pictures', flush=True
        )
    mean = float(np.mean([row[name] for row in rows]))
    return {
        'folds': [row[name] for row in rows],
        f'mean_{name}': mean,
        **metrics_of(data, outputs),
    }


def fold_outputs(
    data: GestureSet, held: np.ndarray, others: np.ndarray, folder: Path, train_fold: TrainFold
) -> np.ndarray:
    """Train on the others and run on those held out, or read what was kept."""
    kept = folder / 'outputs.json'
    names = [str(data.items[int(i)].file) for i in held]
    if kept.is_file():
        before = json.loads(kept.read_text(encoding='utf-8'))
        if before['files'] == names:
            return np.array(before['outputs'], np.float32)
    state = load_checkpoint(train_fold(data.part(others), folder))
    size = state['settings']['size']
    pictures = Pictures.plain_only(data.part(held), size)
    outputs = outputs_of(averaged_model(state), data.task, pictures, size)
    kept.write_text(json.dumps({'files': names, 'outputs': outputs.tolist()}), encoding='utf-8')
    (folder / 'last.pt').unlink(missing_ok=True)  # it is large, and only for going on
    return outputs
