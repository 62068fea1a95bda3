"""How good a gesture network is: by class, or by the distance of its points."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from training.gesture.dataset import GestureSet
from training.gesture.feed import Pictures
from training.gesture.network import CLASSIFICATION, to_input

CAMERA_WH = (640, 480)  # the picture in whose pixels distances are given
NEAR_PX = 20.0
BATCH = 16


def confusion_matrix(truth: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Count pictures [C, C]: row is the true class, column what was said."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (truth, guess), 1)
    return matrix


def accuracy(matrix: np.ndarray) -> float:
    """Share of the pictures on the diagonal."""
    return float(np.trace(matrix) / max(1, matrix.sum()))


def recalls(matrix: np.ndarray) -> list[float]:
    """Share of each true class that was found; NaN for a class without pictures."""
    total = matrix.sum(1)
    return [float(matrix[i, i] / n) if n else float('nan') for i, n in enumerate(total)]


def pixel_errors(truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Distances [N, P] in pixels of a 640 x 480 picture; NaN where there is no true point."""
    return np.linalg.norm((np.clip(guess, 0, 1) - truth) * CAMERA_WH, axis=2)


def class_metrics(probabilities: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> dict:
    """Accuracy, recall by class, the mean log loss, and the confusion matrix as lists."""
    matrix = confusion_matrix(truth, probabilities.argmax(1), len(labels))
    chosen = probabilities[np.arange(len(truth)), truth]
    return {
        'accuracy': accuracy(matrix),
        'recall': {k: v for k, v in zip(labels, recalls(matrix)) if v == v},
        'log_loss': float(-np.log(np.maximum(chosen, 1e-9)).mean()),
        'confusion': matrix.tolist(),
    }


def point_metrics(guess: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> dict:
    """Mean and median error in pixels at 640 x 480 and the share within 20, overall and each."""
    errors = pixel_errors(truth, guess)
    result: dict = {'points': {}}
    for name, own in zip(labels, errors.T):
        own = own[np.isfinite(own)]
        if len(own):
            result['points'][name] = spread(own)
    return {**result, **spread(errors[np.isfinite(errors)])}


def spread(errors: np.ndarray) -> dict:
    """Mean, median and share within reach of distances in pixels."""
    if not len(errors):
        return {'error_px': float('nan'), 'median_px': float('nan'), 'within_20_px': 0.0}
    return {
        'error_px': float(errors.mean()),
        'median_px': float(np.median(errors)),
        'within_20_px': float((errors <= NEAR_PX).mean()),
    }


def truth_of(images: GestureSet) -> np.ndarray:
    """Class indices [N], or points [N, P, 2]."""
    if images.task == CLASSIFICATION:
        return np.array([item.class_index for item in images.items])
    return np.stack([item.points for item in images.items])


def metrics_of(images: GestureSet, outputs: np.ndarray) -> dict:
    """Compare probabilities [N, C] or points [N, P, 2] with a set's labels."""
    metrics = class_metrics if images.task == CLASSIFICATION else point_metrics
    return metrics(outputs, truth_of(images), images.labels)


@torch.no_grad()
def outputs_of(model: nn.Module, task: str, pictures: Pictures, side: int) -> np.ndarray:
    """Run a network on whole pictures: probabilities [N, C] or points [N, P, 2]."""
    model.eval()
    device = next(model.parameters()).device
    results = []
    for start in range(0, len(pictures), BATCH):
        chosen = range(start, min(start + BATCH, len(pictures)))
        bgr = torch.from_numpy(np.stack([pictures.plain(i, side) for i in chosen]))
        raw = model(to_input(bgr.to(device))).float()
        results.append((raw.softmax(1) if task == CLASSIFICATION else raw.clamp(0, 1)).cpu())
    return torch.cat(results).numpy()


def evaluate_pictures(run: Callable[[np.ndarray], np.ndarray], pictures: Pictures) -> dict:
    """Judge anything that turns uint8 [1, S, S, 3] into probabilities or points, a model file."""
    side = pictures.size
    outputs = [run(pictures.plain(i, side)[None]) for i in range(len(pictures))]
    return metrics_of(pictures.set, np.concatenate(outputs))
