"""From a model file and its checkpoint to the same file with tuned shared values."""

from __future__ import annotations

from collections.abc import Mapping

from edge_vision.core.errors import UserError
import numpy as np
import onnx
import torch
from torch import nn
from training.sharing.graph import untied, with_shared, with_tensors
from training.sharing.layers import weights_of
from training.sharing.shared import Shared
from training.sharing.tune import fine_tune, Task, TuneSettings

TOLERANCE = 2e-3  # of the greatest weight; a checkpoint may be kept in half precision


def tuned(
    model: onnx.ModelProto,
    layers: Mapping[str, Shared],
    task: Task,
    settings: TuneSettings,
    quiet: bool = False,
) -> tuple[onnx.ModelProto, dict[str, Shared], list[float]]:
    """
    Train what the weights of a float32 model file share, biases, and batch norms.

    Returns the model with them packed, what each weight shares now, and the loss of each epoch.
    The result gives what torch gives, or it ends in a UserError.
    """
    model = untied(model)
    take_weights(task.network, weights_of(model), layers)
    modules = {weight: own_name(weight).removesuffix('.weight') for weight in layers}
    by_module = {modules[weight]: shared for weight, shared in layers.items()}
    network, parts, losses = fine_tune(task, by_module, settings, quiet)
    shared = {weight: parts[module] for weight, module in modules.items()}
    before, after = task.network.state_dict(), network.state_dict()
    names = {tensor.name for tensor in model.graph.initializer} - set(layers)
    changed = {
        name: after[own].numpy()
        for name in names
        if (own := own_name(name)) in after and not torch.equal(before[own], after[own])
    }
    done = with_shared(with_tensors(model, changed), shared)
    task.check(done, network)
    return done, shared, losses


def own_name(name: str) -> str:
    """Name a tensor of a model file as its network does, which the exporter may have wrapped."""
    return name.removeprefix('model.')


def take_weights(
    network: nn.Module, weights: Mapping[str, np.ndarray], needed: Mapping[str, Shared]
) -> None:
    """
    Copy a file's weights to a network, which may have them in half precision only.

    UserError where the network has not the `needed` ones, or others.
    """
    own = {name: parameter.data for name, parameter in network.named_parameters()}
    for name, weight in weights.items():
        mine = own.get(own_name(name))
        values = torch.from_numpy(weight.copy())
        limit = TOLERANCE * float(values.abs().max())
        if mine is not None and mine.shape == values.shape:
            if float((mine - values).abs().max()) <= limit:
                mine.copy_(values)
                continue
        if name in needed:
            raise UserError(
                'The checkpoint is not the one that the model file was exported of: their'
                f' weights {own_name(name)} differ.'
            )
