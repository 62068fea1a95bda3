"""
Model files of gesture networks: uint8 pictures in, probabilities or points out.

The graph keeps torchvision's names for the weights and leaves batch norm beside the convolutions
(every runtime joins them at load), so that a model file is as good a start for another training
as a checkpoint is: `--init gesture.onnx`.
"""

from __future__ import annotations

import json
from pathlib import Path
import tempfile
import warnings

from edge_vision.core.errors import UserError
import numpy as np
import onnx
from onnx import helper
import onnxruntime
import torch
from torch import nn
from training.gesture.checkpoint import averaged_model, load_checkpoint
from training.gesture.network import CLASSIFICATION, GestureNet, MEAN_RGB, STD_RGB, STRIDE

OPSET, IR_VERSION = 13, 8
OUTPUT = {'classification': 'probabilities', 'regression': 'points'}
TOLERANCE = 1e-4  # largest difference of outputs, which are in 0..1
PROBES = 4


class Deployed(nn.Module):
    """The network from a camera's picture, uint8 [1, S, S, 3], to probabilities or points."""

    def __init__(self, model: GestureNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rgb = image[..., [2, 1, 0]].permute(0, 3, 1, 2).float()
        mean = 255 * torch.tensor(MEAN_RGB).reshape(1, 3, 1, 1)
        scale = 1 / (255 * torch.tensor(STD_RGB).reshape(1, 3, 1, 1))
        raw = self.model((rgb - mean) * scale)
        return raw.softmax(1) if self.model.task == CLASSIFICATION else raw.clamp(0, 1)


def build_onnx(model: GestureNet, labels: tuple[str, ...], size: int) -> onnx.ModelProto:
    """Trace the network and add the metadata."""
    sample = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the tracing exporter is announced to go
        file = Path(folder) / 'network.onnx'
        torch.onnx.export(
            Deployed(model.eval()),
            (sample,),
            file,
            input_names=['image'],
            output_names=[OUTPUT[model.task]],
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,  # else batch norm is folded away
            dynamo=False,
        )
        result = onnx.load(file)
    plain_names(result.graph)
    result.ir_version = IR_VERSION
    result.producer_name, result.producer_version, result.doc_string = 'edge_vision', '', ''
    helper.set_model_props(result, {'task': model.task, 'labels': json.dumps(list(labels))})
    onnx.checker.check_model(result, full_check=True)
    return result


def plain_names(graph: onnx.GraphProto) -> None:
    """Give the weights torchvision's names: without the prefix `model.` of the wrapper."""
    new = {i.name: i.name.removeprefix('model.') for i in graph.initializer}
    for tensor in graph.initializer:
        tensor.name = new[tensor.name]
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = new.get(name, name)


def check_parity(exported: onnx.ModelProto, model: GestureNet, size: int) -> float:
    """Compare with torch on noise of coarse and fine grain; return the largest difference."""
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=['CPUExecutionProvider']
    )
    deployed, rng, worst = Deployed(model.eval()), np.random.default_rng(0), 0.0
    for i in range(PROBES):
        grain = STRIDE >> i
        noise = rng.integers(0, 256, (1, size // grain, size // grain, 3), np.uint8)
        image = noise.repeat(grain, 1).repeat(grain, 2)
        with torch.no_grad():
            expected = deployed(torch.from_numpy(image)).numpy()
        worst = max(worst, float(np.abs(session.run(None, {'image': image})[0] - expected).max()))
    if not worst <= TOLERANCE:
        raise UserError(
            f'The exported network differs from torch by {worst:.2g} (at most {TOLERANCE:.0e}).'
        )
    return worst


def write_model(source: Path | dict | GestureNet, file: Path, labels=(), size: int = 0) -> float:
    """
    Write a model file; return its largest difference from torch.

    source: a checkpoint's path or contents (its averaged weights, labels and size are taken), or
    a network with labels and size.
    """
    if isinstance(source, GestureNet):
        model = source
    else:
        state = source if isinstance(source, dict) else load_checkpoint(source)
        model = averaged_model(state)
        labels, size = tuple(state['labels']), state['settings']['size']
    exported = build_onnx(model, tuple(labels), size)
    worst = check_parity(exported, model, size)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(exported.SerializeToString())
    return worst
