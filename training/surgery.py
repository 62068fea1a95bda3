"""Take channels out of a network for good; what is left is a smaller table and a state dict."""

from __future__ import annotations

import copy

from edge_vision.core.errors import UserError
import numpy as np
import torch
import torch_pruning
from training.importance import convs_of, Importance
from training.network import Detector, places_of, widths_of

STEP = 8  # channels go in groups of this size, so that counts stay multiples of it
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

    In each layer the least important channels form groups of eight; of all layers' next groups,
    the one with the least mean importance goes first. A layer keeps at least eight channels.
    """
    order = {name: np.argsort(values, kind='stable') for name, values in importance.items()}
    widths = {name: len(values) for name, values in importance.items()}
    gone = dict.fromkeys(widths, 0)
    while parameters_without(model, gone) > target:
        groups = {
            name: float(importance[name][order[name][gone[name] : gone[name] + STEP]].mean())
            for name in widths
            if widths[name] - gone[name] > STEP
        }
        if not groups:
            raise UserError(
                f'{target} parameters cannot be reached: with {STEP} channels in each layer'
                f' there are still {parameters_without(model, gone)}.'
            )
        gone[min(groups, key=lambda name: groups[name])] += STEP
    return {name: sorted(order[name][:n].tolist()) for name, n in gone.items() if n}


def parameters_without(model: Detector, gone: dict[str, int]) -> int:
    """Count the weights that are left when so many channels of each layer are gone."""
    table = widths_of(model)
    for name, (row, column) in places_of(model).items():
        table[row][column] -= gone[name]
    with torch.device('meta'):
        return parameters(Detector(table, model.classes))
