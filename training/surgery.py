"""Take channels out of a network for good; what is left is a smaller table and a state dict."""

from __future__ import annotations

import copy
from typing import cast

from edge_vision.core.errors import UserError
import numpy as np
import torch
import torch_pruning
from training.importance import convs_of, Importance
from training.network import Detector, places_of, widths_of

STEP = 8  # a layer keeps at least so many channels, and a multiple of it
BLOCK = 16  # channels that go together from layers with more of them
THRIFT = 0.5  # weight of what a channel costs: 0 looks at importance alone, 1 at their ratio
TIME = 0.5  # share of multiply-adds in that cost; the rest is parameters
SIDE = 64  # pixels of the picture on which the dependencies are traced


def parameters(model: torch.nn.Module) -> int:
    """Count the weights."""
    return sum(p.numel() for p in model.parameters())


def remove(model: Detector, channels: dict[str, list[int]]) -> Detector:
    """Return a copy without these output channels of these convolutions."""
    model = copy.deepcopy(model).cpu().eval()
    graph = torch_pruning.DependencyGraph()
    graph.build_dependency(model, torch.zeros(1, 3, SIDE, SIDE))
    convs = convs_of(model)
    for name, indices in channels.items():
        if len(indices) >= convs[name].width:
            raise UserError(f'No channel of {name} would be left.')
        group = graph.get_pruning_group(
            convs[name][0], torch_pruning.prune_conv_out_channels, idxs=sorted(indices)
        )
        group.prune()
    smaller = Detector(widths_of(model), model.classes)
    smaller.load_state_dict(model.state_dict())
    return smaller.eval()


def choose(model: Detector, importance: Importance, target: int) -> dict[str, list[int]]:
    """
    Choose channels to remove until at most `target` parameters are left.

    In each layer the least important channels form groups; of all layers' next groups the one goes
    first that takes the least share of the importance that is left in its layer (half of a narrow
    layer is more than as many channels of a wide one), relative to what its removal saves (see
    `savings`). A layer keeps at least eight.
    """
    order = {name: np.argsort(values, kind='stable') for name, values in importance.items()}
    widths = {name: len(values) for name, values in importance.items()}
    worth = savings(model)
    gone = dict.fromkeys(widths, 0)
    while parameters_without(model, gone) > target:
        groups = {}
        for name, width in widths.items():
            count = group_size(width - gone[name])
            if count:
                left = importance[name][order[name][gone[name] :]]
                share = float(left[:count].sum()) / max(float(left.sum()), 1e-12)
                groups[name] = share / worth[name] ** THRIFT
        if not groups:
            raise UserError(
                f'{target} parameters cannot be reached: with {STEP} channels in each layer'
                f' there are still {parameters_without(model, gone)}.'
            )
        name = min(groups, key=lambda name: groups[name])
        gone[name] += group_size(widths[name] - gone[name])
    return {name: sorted(order[name][:n].tolist()) for name, n in gone.items() if n}


def group_size(left: int) -> int:
    """
    Count the channels that go together from a layer with so many left, 0 for none.

    Processors multiply up to 16 channels at a time: a layer of 40 takes as long as one of 48.
    """
    if left > BLOCK:
        return left % BLOCK or BLOCK
    return left % STEP or STEP if left > STEP else 0


def savings(model: Detector) -> dict[str, float]:
    """
    Tell what a channel of each layer costs, in parameters and in multiply-adds.

    A criterion per cost, as in Molchanov et al. 2017 (section 2.3) and He et al. 2018 (AMC), takes
    time away together with size. Its shares of both, weighed by TIME; 1 is the layers' mean.
    """
    none = dict.fromkeys(convs_of(model), 0)
    whole = counts_without(model, none)
    costs = {}
    for name in none:
        less = counts_without(model, {**none, name: 1})
        weight, time = ((a - b) / a for a, b in zip(whole, less))
        costs[name] = (1 - TIME) * weight + TIME * time
    mean = sum(costs.values()) / len(costs)
    return {name: cost / mean for name, cost in costs.items()}


def parameters_without(model: Detector, gone: dict[str, int]) -> int:
    """Count the weights that are left when so many channels of each layer are gone."""
    return parameters(thinner(model, gone))


def counts_without(model: Detector, gone: dict[str, int]) -> tuple[int, int]:
    """Count the same weights, and the multiply-adds of a picture."""
    left = thinner(model, gone)
    return parameters(left), multiply_adds(left, SIDE)


def thinner(model: Detector, gone: dict[str, int]) -> Detector:
    """Make the network without so many channels of each layer, with no weights in it."""
    table = widths_of(model)
    for name, (row, column) in places_of(model).items():
        table[row][column] -= gone[name]
    with torch.device('meta'):
        return Detector(table, model.classes)


def multiply_adds(model: Detector, size: int) -> int:
    """Count the multiplications of all convolutions for one picture of size x size."""
    total = 0

    def count(conv: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        weight = cast(torch.nn.Conv2d, conv).weight
        total += weight.numel() * output.shape[2] * output.shape[3]

    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    handles = [conv.register_forward_hook(count) for conv in convs]
    with torch.no_grad():
        device = convs[0].weight.device
        model.eval()(torch.zeros(1, 3, size, size, device=device))
    for handle in handles:
        handle.remove()
    return total
