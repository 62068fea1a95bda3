"""
Shared weights in a model file: packed indices and a table, and their way back.

A weight becomes bytes (its indices, packed), a table of values, and Cast, Gather, Reshape and
Add, which any ONNX Runtime computes once, when it loads the file: constant folding leaves the
same network as before. The names of what belongs to a weight begin with the weight's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime
from training.sharing.layers import is_clustered, TABLE
from training.sharing.packing import bases, digit_table, pack, weight_of_digit

if TYPE_CHECKING:  # scikit-learn comes with it, which takes a second to import
    from training.sharing.shared import Shared


class _Unpacking:
    """Initializers and nodes that make weights of packed indices."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self.nodes: list[onnx.NodeProto] = []

    def add(self, weight: str, shared: Shared) -> None:
        """Make `weight` of what it shares."""
        index = shared.index
        shape, table = f'{weight}/shape', weight + TABLE
        self.tensors[shape] = np.array(index.shape, np.int64)
        self.tensors[table] = shared.table.reshape(-1)
        place = ''
        for i, octets in enumerate(pack(index, shared.clusters)):
            base, worth = bases(shared.clusters)[i], weight_of_digit(shared.clusters, i)
            name = f'{weight}/packed{i}'
            self.tensors[name] = octets
            digits = self._node('Cast', [name], f'{name}/int32', to=TensorProto.INT32)
            if base < 256:
                table_of_digits = self._digits(base, worth)
                digits = self._node('Gather', [table_of_digits, digits], f'{name}/digits')
                digits = self._cut(digits, octets.size, index.size, base)
            digits = self._node('Reshape', [digits, shape], f'{name}/index')
            place = self._node('Add', [place, digits], f'{name}/sum') if place else digits
        if shared.table.shape[0] > 1:
            starts = np.arange(shared.table.shape[0], dtype=np.int32) * shared.clusters
            self.tensors[f'{weight}/rows'] = starts.reshape(-1, *[1] * (index.ndim - 1))
            place = self._node('Add', [place, f'{weight}/rows'], f'{weight}/place')
        self._node('Gather', [table, place], weight)

    def _node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _digits(self, base: int, worth: int) -> str:
        """Name the table from a byte to its digits, which all layers use."""
        name = f'digits_{base}_{worth}'
        if name not in self.tensors:
            self.tensors[name] = digit_table(base, worth)
            self._node('Cast', [name], f'{name}/int32', to=TensorProto.INT32)
        return f'{name}/int32'

    def _cut(self, digits: str, octets: int, count: int, base: int) -> str:
        """Leave away the digits that fill up the last byte."""
        if octets * digit_table(base, 1).shape[1] == count:
            return digits
        for name, value in (('flat', -1), ('start', 0), (f'end{count}', count)):
            self.tensors[f'digits/{name}'] = np.array([value], np.int64)
        flat = self._node('Reshape', [digits, 'digits/flat'], f'{digits}/flat')
        ends = ['digits/start', f'digits/end{count}']
        return self._node('Slice', [flat, *ends], f'{digits}/cut')


def with_shared(model: onnx.ModelProto, layers: Mapping[str, Shared]) -> onnx.ModelProto:
    """Copy a model file with these weights shared; all else stays, its metadata too."""
    unpacking = _Unpacking()
    for weight, shared in layers.items():
        unpacking.add(weight, shared)
    return _replace(model, set(layers), unpacking.tensors, unpacking.nodes)


def with_tensors(model: onnx.ModelProto, tensors: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """Copy a model with other numbers in these initializers."""
    return _replace(model, set(tensors), tensors, [])


def untied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model with numbers of its own for each layer where the exporter has merged equals."""
    numbers = {tensor.name: tensor for tensor in model.graph.initializer}
    ties = {
        node.output[0]: numpy_helper.to_array(numbers[node.input[0]])
        for node in model.graph.node
        if node.op_type == 'Identity' and node.input[0] in numbers
    }
    return _replace(model, set(ties), ties, [])


def unpacked_weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Give the shared weights of a clustered model as plain float32 arrays, by their names."""
    nodes = _unpacking_nodes(model)
    weights = [n.output[0] for n in nodes if n.input[0].endswith(TABLE)]
    outputs = [helper.make_tensor_value_info(w, TensorProto.FLOAT, None) for w in weights]
    used = {name for node in nodes for name in node.input}
    tensors = [t for t in model.graph.initializer if t.name in used]
    part = helper.make_model(
        helper.make_graph(nodes, 'unpacking', [], outputs, tensors),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    session = onnxruntime.InferenceSession(
        part.SerializeToString(), providers=['CPUExecutionProvider']
    )
    return dict(zip(weights, session.run(weights, {}), strict=True))


def unpack_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model with plain float32 weights instead of shared ones, of the same values."""
    if not is_clustered(model):
        return model
    nodes = _unpacking_nodes(model)
    gone = {name for node in nodes for name in (*node.input, *node.output)}
    return _replace(model, gone, unpacked_weights(model), [])


def _unpacking_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Find the nodes that make weights of tables, in the order of the graph."""
    wanted: set[str] = set()
    found = []
    for node in reversed(model.graph.node):
        if node.input and node.input[0].endswith(TABLE):
            wanted.add(node.output[0])
        if wanted & set(node.output):
            wanted |= set(node.input)
            found.append(node)
    return found[::-1]


def _replace(
    model: onnx.ModelProto,
    gone: set[str],
    tensors: Mapping[str, np.ndarray],
    nodes: Sequence[onnx.NodeProto],
) -> onnx.ModelProto:
    """Copy a model without the tensors and makers of `gone`, with these in their place."""
    done = onnx.ModelProto()
    done.CopyFrom(model)
    graph = done.graph
    kept_nodes = [n for n in model.graph.node if not gone & set(n.output)]
    kept_tensors = [t for t in model.graph.initializer if t.name not in gone]
    inputs = [i for i in model.graph.input if i.name not in gone]  # old files declare weights here
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend([*nodes, *kept_nodes])
    graph.initializer.extend(kept_tensors)
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in tensors.items())
    graph.input.extend(inputs)
    onnx.checker.check_model(done)
    return done
