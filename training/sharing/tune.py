"""Train the values that weights share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import copy
from dataclasses import dataclass
import math
from typing import Any, Protocol

from edge_vision.core.errors import UserError
import numpy as np
import onnx
import torch
from torch import nn
from tqdm import tqdm
from training.sharing.modules import attach, detach
from training.sharing.shared import Shared

WARM_UP = 0.1  # share of the steps
HEAD_TURNS = 20  # over each epoch's pictures, where only the head is trained
LEAST_SIZE = 1e-3  # of a parameter, for its learning rate: biases may begin at zero


@dataclass(frozen=True)
class TuneSettings:
    """How the shared values are trained."""

    epochs: int = 2
    lr: float = 0.03  # of each layer's typical value, by Adam (Kingma and Ba 2015)
    seed: int = 0


class Task(Protocol):
    """What a network is trained for; its pictures come from a seed, the same each time."""

    network: nn.Module
    head: tuple[str, ...]  # begins of the names of the last layers' modules

    def steps(self) -> int:
        """Return the number of batches of an epoch."""
        ...

    def batches(self, epoch: int, head_only: bool) -> Iterator[Any]:
        """Give an epoch's batches, where only the head is trained as what comes before it."""
        ...

    def loss(self, network: nn.Module, batch: Any) -> torch.Tensor:
        """Return the loss of a batch."""
        ...

    def settle(self, network: nn.Module) -> None:
        """Measure the batch norm statistics anew."""
        ...

    def check(self, model: onnx.ModelProto, network: nn.Module) -> None:
        """Raise UserError where a model file gives other results than the network."""
        ...


def fine_tune(
    task: Task, layers: Mapping[str, Shared], settings: TuneSettings, quiet: bool = False
) -> tuple[nn.Module, dict[str, Shared], list[float]]:
    """
    Train what the layers share (by their modules' names), biases, and batch norms.

    Returns a network with the tuned weights, what each layer shares, and the mean loss of each
    epoch. `layers` and the task's network stay as they are.
    """
    torch.manual_seed(settings.seed)
    network = copy.deepcopy(task.network)
    head_only = all(name.startswith(task.head) for name in layers)
    groups = _trained(network, layers, task.head if head_only else ('',))
    network.train(not head_only)
    optimizer = torch.optim.Adam(groups, lr=settings.lr)
    # What a head sees is computed once, so that going over it again costs next to nothing.
    turns = settings.epochs * (HEAD_TURNS if head_only else 1)
    total = turns * task.steps()
    losses: list[float] = []
    with tqdm(total=total, desc='fine-tune', unit='batch', mininterval=5, disable=quiet) as bar:
        for turn in range(turns):
            values = []
            for batch in task.batches(turn % settings.epochs, head_only):
                rate = settings.lr * _pace(bar.n, total)
                for group in optimizer.param_groups:
                    group['lr'] = group['scale'] * rate
                optimizer.zero_grad(set_to_none=True)
                loss = task.loss(network, batch)
                values.append(float(loss.detach()))
                if not math.isfinite(values[-1]):
                    raise UserError(
                        f'The loss is {values[-1]} in epoch {turn + 1}; a lower --lr would do.'
                    )
                loss.backward()
                optimizer.step()
                bar.update()
            losses.append(float(np.mean(values)))
            bar.set_postfix(loss=f'{losses[-1]:.3f}', refresh=False)
    shared = detach(network, layers)
    if not head_only:
        task.settle(network)
    losses = np.reshape(losses, (settings.epochs, -1)).mean(1).tolist()
    return network.eval(), shared, losses


def _trained(
    network: nn.Module, layers: Mapping[str, Shared], within: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Leave only the tables to train, and biases and batch norms of the modules `within`."""
    network.requires_grad_(False)
    attach(network, layers)
    groups = []
    for name, parameter in network.named_parameters():
        if 'parametrizations' in name or (parameter.ndim == 1 and name.startswith(within)):
            parameter.requires_grad_(True)
            size = float(parameter.detach().square().mean().sqrt())
            groups.append({'params': [parameter], 'scale': max(size, LEAST_SIZE)})
    return groups


def _pace(step: int, steps: int) -> float:
    """Share of the learning rate: up in a line, then down in half a cosine."""
    done = min(1.0, step / steps)
    return min(1.0, (done + 1 / steps) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
