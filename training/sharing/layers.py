"""Which weights of a model file can be shared, and what the user calls them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_vision.core.errors import UserError
from google.protobuf.message import DecodeError
import numpy as np
import onnx
from onnx import numpy_helper, TensorProto

WEIGHED = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')  # their second input is a weight
QUANTIZED = ('Quantize', 'Dequantize', 'DynamicQuantize', 'QLinear', 'ConvInt', 'MatMulInt')
TABLE = '/shared_values'  # end of the name of a clustered layer's table

Weights = dict[str, np.ndarray]  # by the name of the initializer, in the order of the graph


def read_model(file: Path) -> onnx.ModelProto:
    """Read a float32 model file; whatever else it is ends in a sentence."""
    if not file.is_file():
        raise UserError(f'{file} is not a file; an ONNX model would do.')
    try:
        model = onnx.load(file)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise UserError(f'{file} is no ONNX model, or a damaged one.') from error
    return model


def check_plain(model: onnx.ModelProto, name: str) -> None:
    """Refuse models whose weights are no longer plain float32 numbers."""
    if any(node.op_type.startswith(QUANTIZED) for node in model.graph.node):
        raise UserError(f'{name} is a quantized model; clustering needs the float32 one it is of.')
    if is_clustered(model):
        raise UserError(f'{name} is clustered already; choose the float32 model it was made of.')
    if not weights_of(model):
        half = any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)
        found = 'its weights are float16' if half else 'it has no layer with float32 weights'
        raise UserError(f'{name} cannot be clustered: {found}.')


def is_clustered(model: onnx.ModelProto) -> bool:
    """Tell whether a model's weights are already shared values."""
    return any(tensor.name.endswith(TABLE) for tensor in model.graph.initializer)


def weights_of(model: onnx.ModelProto) -> Weights:
    """Weights of convolutions and matrix products, float32 with two or more axes."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    used = [n.input[1] for n in model.graph.node if n.op_type in WEIGHED]
    return {
        name: numpy_helper.to_array(tensors[name])
        for name in dict.fromkeys(used)
        if name in tensors
        and tensors[name].data_type == TensorProto.FLOAT
        and len(tensors[name].dims) > 1
    }


def layer_names(model: onnx.ModelProto) -> dict[str, str]:
    """Tell what a user calls each weight: the dotted name of its module, where that is known."""
    users = {n.input[1]: n.name for n in reversed(model.graph.node) if n.op_type in WEIGHED}
    return {weight: _readable(weight, users[weight]) for weight in weights_of(model)}


def _readable(weight: str, node: str) -> str:
    """
    Name a layer by its weight, or by its node where the exporter has renamed the weight.

    'net.fc.weight' is net.fc, '/net/layer1/layer1.0/conv1/Conv' is net.layer1.0.conv1.
    """
    if not weight.startswith('onnx::') or '/' not in node:
        return weight.removesuffix('.weight')
    parts = node.strip('/').split('/')[:-1]
    inner = [b for a, b in zip([*parts[1:], ''], parts) if not a.startswith(f'{b}.')]
    return '.'.join(inner)


def last_weights(model: onnx.ModelProto) -> list[str]:
    """Weights behind which no other weight comes: the head, or one head for each stride."""
    weights = set(weights_of(model))
    before: dict[str, set[str]] = {}  # the newest weights on the way to each tensor
    followed: set[str] = set()
    for node in model.graph.node:
        newest = set().union(*(before.get(name, set()) for name in node.input))
        if node.op_type in WEIGHED and node.input[1] in weights:
            followed |= newest
            newest = {node.input[1]}
        before.update(dict.fromkeys(node.output, newest))
    return [name for name in weights_of(model) if name not in followed]


def first_weights(model: onnx.ModelProto) -> list[str]:
    """Weights that see the picture itself: those that follow no other weight."""
    weights = set(weights_of(model))
    behind: set[str] = set()  # tensors that come from a weighed one
    first = []
    for node in model.graph.node:
        follows = any(name in behind for name in node.input)
        weighed = node.op_type in WEIGHED and node.input[1] in weights
        if weighed and not follows:
            first.append(node.input[1])
        if weighed or follows:
            behind.update(node.output)
    return list(dict.fromkeys(first))


def choose(model: onnx.ModelProto, wanted: Sequence[str]) -> list[str]:
    """
    Pick weights: 'last' (the head), 'all' (but the first layer), or layers and groups by name.

    'fc' names net.fc, and 'layer4' all within net.layer4. UserError lists what there is.
    """
    names = layer_names(model)
    if list(wanted) == ['last']:
        return last_weights(model)
    if list(wanted) == ['all']:
        first = first_weights(model)
        return [w for w in names if w not in first] or list(names)
    chosen: set[str] = set()
    for want in wanted:
        found = {w for w, name in names.items() if f'.{want}.' in f'.{name}.' or w == want}
        if not found:
            raise UserError(f"There is no layer '{want}'; there are {', '.join(names.values())}.")
        chosen |= found
    return [w for w in names if w in chosen]
