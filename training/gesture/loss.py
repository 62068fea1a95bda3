"""Losses of the gesture networks."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional
from training.gesture.dataset import GestureSet
from training.gesture.network import CLASSIFICATION, GestureNet

SIGMA_CELLS = 0.7  # width of the scores' target around a point, in cells of the last map


def class_weights(images: GestureSet) -> torch.Tensor:
    """Weigh each class inverse to its pictures, so that all count the same; the mean is 1."""
    counts = np.array(images.counts, np.float64)
    share = np.where(counts > 0, counts.sum() / np.maximum(counts, 1), 0.0)
    return torch.tensor(share / max(1, (counts > 0).sum()), dtype=torch.float32)


def class_loss(
    logits: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Weighed cross entropy with smoothed labels, divided by the plain number of pictures."""
    each = functional.cross_entropy(
        logits.float(), classes, label_smoothing=smoothing, reduction='none'
    )
    return (each * weights[classes]).mean()


def point_loss(
    model: GestureNet, features: torch.Tensor, points: torch.Tensor, heat: float
) -> torch.Tensor:
    """
    Mean absolute error of the coordinates in cells, and `heat` times that of the scores.

    points: [B, P, 2] in 0..1; NaN where there is none, which then counts nothing. The scores are
    compared with a small bell around the true cell, by cross entropy: they learn where to look
    before the mean of all guesses means anything.
    """
    scores, offsets = model.guesses(features)
    rows, columns = scores.shape[2:]
    cells = torch.tensor([columns, rows], device=points.device, dtype=torch.float32)
    known = torch.isfinite(points).all(2)
    if not known.any():
        return scores.sum() * 0
    target = points[known] * cells
    error = (model.points(scores, offsets)[known] * cells - target).abs().mean()
    x = torch.arange(columns, device=points.device)
    y = torch.arange(rows, device=points.device)
    far_x = (x[None, None, :] - target[:, None, None, 0]) ** 2
    far_y = (y[None, :, None] - target[:, None, None, 1]) ** 2
    bell = functional.softmax(-(far_x + far_y).flatten(1) / (2 * SIGMA_CELLS**2), 1)
    guess = functional.log_softmax(scores[known].flatten(1), 1)
    return error - heat * (bell * guess).sum(1).mean()


def loss_of(
    model: GestureNet,
    features: torch.Tensor,
    classes: torch.Tensor,
    points: torch.Tensor,
    weights: torch.Tensor,
    smoothing: float,
    heat: float,
) -> torch.Tensor:
    """Loss of the model's last layer on features."""
    if model.task == CLASSIFICATION:
        return class_loss(model.head(features), classes, weights, smoothing)
    return point_loss(model, features, points, heat)
