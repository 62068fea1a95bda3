"""Begin with what another network has learned: of a checkpoint or of a model file."""

from __future__ import annotations

import json
from pathlib import Path

from edge_vision.core.errors import UserError
from google.protobuf.message import DecodeError
import numpy as np
import onnx
from onnx import numpy_helper
import torch
from training.gesture.checkpoint import load_checkpoint
from training.gesture.network import GestureNet, load_backbone
from training.sharing.graph import unpack_model

Weights = dict[str, torch.Tensor]


def init_weights(model: GestureNet, labels: tuple[str, ...], file: Path) -> bool:
    """
    Load another network's backbone, and its last layer where task and labels are the same.

    file: a checkpoint of train_gesture, or a model file that it exported, clustered or not.
    Returns whether the last layer came along.
    """
    if file.suffix == '.onnx':
        weights = read_model_weights(file)
        task, their_labels = read_model_task(file)
        if 'conv1.weight' not in weights:
            raise UserError(f'{file} holds no ResNet-18 that train_gesture exported.')
    else:
        state = load_checkpoint(file)
        task, their_labels, weights = state['task'], tuple(state['labels']), state['average']
    load_backbone(model, weights, str(file))
    same = task == model.task and their_labels == labels
    if same:
        own = model.state_dict()
        own.update({name: weights[name] for name in own if name.startswith('fc.')})
        model.load_state_dict(own)
    return same


def _read_onnx(file: Path) -> onnx.ModelProto:
    if not file.is_file():
        raise UserError(f'The model file {file} does not exist.')
    try:
        return onnx.load(file)
    except DecodeError as error:
        raise UserError(f'{file} is not a model file that onnx can read.') from error


def read_model_weights(file: Path) -> Weights:
    """Weights of a model file by torchvision's names, float32; those of clustered files too."""
    return {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
        for tensor in unpack_model(_read_onnx(file)).graph.initializer
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }


def read_model_task(file: Path) -> tuple[str, tuple[str, ...]]:
    """Task and labels of a model file; empty where it does not say."""
    known = {entry.key: entry.value for entry in _read_onnx(file).metadata_props}
    return known.get('task', ''), tuple(json.loads(known.get('labels', '[]')))
