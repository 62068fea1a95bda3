"""
How much each output channel of each convolution matters, normalised within its layer.

All criteria give, for each Conv of the network by name, one number >= 0 for each output channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from torch import nn
from training.loss import detection_loss, LossSettings
from training.network import cells, Conv, Detector
from training.predict import to_input

Importance = dict[str, np.ndarray]
Batch = tuple[torch.Tensor, list[torch.Tensor]]
CRITERIA = ('magnitude', 'taylor', 'random')


def convs_of(model: Detector) -> dict[str, Conv]:
    """List the convolutions that can be pruned, by name, in the order of the table."""
    return {name: m for name, m in model.named_modules() if isinstance(m, Conv)}


def normalised(values: np.ndarray) -> np.ndarray:
    """Divide a layer's numbers by the root of the sum of their squares (Molchanov et al. 2017)."""
    return values / max(float(np.sqrt((values**2).sum())), 1e-12)


def magnitude(model: Detector) -> Importance:
    """L1 norm of each filter (Li et al. 2017)."""
    found = {}
    for name, conv in convs_of(model).items():
        weight = cast(nn.Conv2d, conv[0]).weight
        found[name] = normalised(weight.detach().abs().sum((1, 2, 3)).double().numpy())
    return found


def taylor(model: Detector, batches: Iterable[Batch]) -> Importance:
    """
    First-order Taylor criterion (Molchanov et al. 2017, equation 8).

    The change of the loss when a feature map is taken away: the absolute value of the mean, over
    batch and positions, of activation x gradient; averaged over the batches.
    """
    convs = convs_of(model)
    kept: dict[str, torch.Tensor] = {}
    sums = {name: np.zeros(conv.width) for name, conv in convs.items()}

    def keep(name: str):
        def hook(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
            output.retain_grad()
            kept[name] = output

        return hook

    handles = [conv.register_forward_hook(keep(name)) for name, conv in convs.items()]
    model.eval()  # one picture must not change what another one's channels are worth
    for bgr, labels in batches:
        raw = model(to_input(bgr))
        loss, _ = detection_loss(raw, *cells(bgr.shape[1]), labels, LossSettings())
        model.zero_grad(set_to_none=True)
        loss.backward()
        for name, output in kept.items():
            sums[name] += mean_effect(output.detach(), cast(torch.Tensor, output.grad))
    for handle in handles:
        handle.remove()
    model.zero_grad(set_to_none=True)
    return {name: normalised(values) for name, values in sums.items()}


def mean_effect(activation: torch.Tensor, gradient: torch.Tensor) -> np.ndarray:
    """Absolute mean over batch and positions of activation x gradient: [B, C, H, W] to [C]."""
    return (activation * gradient).mean((0, 2, 3)).abs().double().numpy()


def at_random(model: Detector, seed: int) -> Importance:
    """Give each channel a random number: the control."""
    rng = np.random.default_rng(seed)
    return {name: normalised(rng.random(conv.width)) for name, conv in convs_of(model).items()}
