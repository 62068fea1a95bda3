"""
Which cell answers for which box, and how wrong it is.

Assignment is task-aligned (Feng et al. 2021, TOOD): the cells whose score and box together fit a
label best are its positives, and their target is a soft score that grows with the fit. Scores
learn by binary cross-entropy on these soft targets, boxes by complete IoU (Zheng et al. 2020). A
label's weight (a teacher's confidence) scales its targets; cells in a doubtful box are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import torch
from torch.nn import functional
from training.network import decode_xyxy

EPS = 1e-7


@dataclass(frozen=True)
class LossSettings:
    """Exponents and number of positives of the assignment, and the two terms' shares."""

    score_power: float = 0.5
    iou_power: float = 4.0
    positives: int = 10
    class_gain: float = 1.0
    box_gain: float = 4.0


def pair_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each of `a` [n, 4] with each of `b` [m, 4], xyxy."""
    side = torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(
        a[:, None, :2], b[None, :, :2]
    )
    inner = side.clamp(min=0).prod(2)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    return inner / (area_a[:, None] + area_b[None] - inner + EPS)


def complete_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Complete IoU of boxes in pairs, both [n, 4] xyxy (Zheng et al. 2020, eq. 7 to 11)."""
    wh_a, wh_b = (a[:, 2:] - a[:, :2]).clamp(min=EPS), (b[:, 2:] - b[:, :2]).clamp(min=EPS)
    inner = (
        (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2]))
        .clamp(min=0)
        .prod(1)
    )
    iou = inner / (wh_a.prod(1) + wh_b.prod(1) - inner + EPS)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) ** 2).sum(1) / 4
    shape = (
        4
        / math.pi**2
        * (torch.atan(wh_b[:, 0] / wh_b[:, 1]) - torch.atan(wh_a[:, 0] / wh_a[:, 1])) ** 2
    )
    with torch.no_grad():
        trade = shape / (1 - iou + shape + EPS)
    return iou - apart / ((hull**2).sum(1) + EPS) - trade * shape


@torch.no_grad()
def assign(
    scores: torch.Tensor,
    xyxy: torch.Tensor,
    centres: torch.Tensor,
    strides: torch.Tensor,
    label_xyxy: torch.Tensor,
    label_class: torch.Tensor,
    label_weight: torch.Tensor,
    settings: LossSettings,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Choose one picture's positive cells.

    scores [cells, classes] in 0..1 and xyxy [cells, 4] are the predictions. Returns for the
    positives their cell [p], label [p] and target score [p], and for all cells whether they count
    in the class loss [cells].
    """
    doubt = label_weight <= 0
    counts = torch.ones(len(centres), dtype=torch.bool, device=centres.device)
    if doubt.any():
        counts &= ~inside(centres, label_xyxy[doubt]).any(0)
    boxes, classes, weights = label_xyxy[~doubt], label_class[~doubt], label_weight[~doubt]
    if len(boxes) == 0:
        none = torch.zeros(0, dtype=torch.long, device=centres.device)
        return none, none, none.float(), counts
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    near = (middle - centres[None]).abs().amax(2) <= strides[None] / 2
    candidate = inside(centres, boxes) | near
    iou = pair_iou(boxes, xyxy)
    fit = scores[:, classes].T ** settings.score_power * iou**settings.iou_power
    fit = torch.where(candidate, fit + 1e-12, fit.new_zeros(()))
    best, cell = fit.topk(min(settings.positives, len(centres)), 1)
    chosen = torch.zeros_like(fit).scatter_(1, cell, (best > 0).to(fit.dtype))
    fit, owner = (fit * chosen).max(
        0
    )  # a cell that several labels want goes to the one it fits best
    positive = (fit > 0).nonzero()[:, 0]
    owner, fit = owner[positive], fit[positive]
    overlap = iou[owner, positive]
    greatest_fit = fit.new_zeros(len(boxes)).scatter_reduce(0, owner, fit, 'amax')
    greatest_iou = fit.new_zeros(len(boxes)).scatter_reduce(0, owner, overlap, 'amax')
    target = fit / (greatest_fit[owner] + 1e-12) * greatest_iou[owner] * weights[owner]
    counts[positive] = True
    return positive, (~doubt).nonzero()[:, 0][owner], target, counts


def inside(centres: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Whether each centre [cells, 2] lies in each box [n, 4]: [n, cells]."""
    return ((centres[None] > boxes[:, None, :2]) & (centres[None] < boxes[:, None, 2:])).all(2)


def detection_loss(
    raw: torch.Tensor,
    centres: torch.Tensor,
    strides: torch.Tensor,
    labels: list[torch.Tensor],
    settings: LossSettings,
) -> tuple[torch.Tensor, dict[str, float]]:
    """
    Loss of a batch and its parts.

    raw [B, cells, 4 + classes] float32; labels: for each picture rows [n, 6] x0 y0 x1 y1 class
    weight.
    """
    logits = raw[..., 4:]
    xyxy = decode_xyxy(raw, centres, strides)
    scores = logits.detach().sigmoid()
    target = torch.zeros_like(logits)
    mask = torch.ones_like(logits[..., 0])
    predicted, wanted, share = [], [], []
    for i, rows in enumerate(labels):
        cell, label, goal, counts = assign(
            scores[i],
            xyxy[i].detach(),
            centres,
            strides,
            rows[:, :4],
            rows[:, 4].long(),
            rows[:, 5],
            settings,
        )
        mask[i] = counts.to(mask.dtype)
        target[i, cell, rows[label, 4].long()] = goal
        predicted.append(xyxy[i, cell])
        wanted.append(rows[label, :4])
        share.append(goal)
    share_all = torch.cat(share)
    total = share_all.sum().clamp(min=1.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction='none')
    class_loss = (entropy * mask[..., None]).sum() / total
    box_loss = (
        (1 - complete_iou(torch.cat(predicted), torch.cat(wanted))) * share_all
    ).sum() / total
    loss = settings.class_gain * class_loss + settings.box_gain * box_loss
    return loss, {'class': float(class_loss.detach()), 'box': float(box_loss.detach())}
