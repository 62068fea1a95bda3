"""Weight averaging with batch-norm statistics that belong to the averaged weights."""

from __future__ import annotations

from collections.abc import Iterable
import copy
import math
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar('Model', bound=nn.Module)


class Average(Generic[Model]):
    """
    Exponential moving average of a network's weights (Polyak and Juditsky 1992).

    The decay grows from 0 to its full value over about `ramp` steps, so that the untrained start
    is forgotten. The running mean and variance in the copy are those of the live network, averaged
    alike, and only good until `settle_batch_norm` measures them anew.
    """

    def __init__(self, model: Model, decay: float = 0.998, ramp: int = 500) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.ramp, self.steps = decay, ramp, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards `model`."""
        self.steps += 1
        decay = self.decay * (1 - math.exp(-self.steps / self.ramp))
        for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs.to(mine.dtype), 1 - decay)
            else:
                mine.copy_(theirs)


@torch.no_grad()
def settle_batch_norm(model: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """
    Measure the batch-norm statistics of averaged weights on real batches.

    The mean of activations is not the activation of mean weights, so statistics that were averaged
    along are off (Izmailov et al. 2018, SWA, section 3.2). Takes the plain mean over all batches.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    for batch in batches:
        model(batch)
    model.eval()
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
