"""Small real gesture models whose answer is told by the colour of the picture."""

import json

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

LABELS = ('none', 'thumb_up', 'thumb_down')  # most blue, most green, most red
POINTS = ('thumb', 'index')
COLOURS = {'none': (250, 20, 20), 'thumb_up': (20, 250, 20), 'thumb_down': (20, 20, 250),
           'nothing sure': (90, 90, 90)}
SHARPNESS = 12.0  # a colour's share of one gives softmax so much


def coloured(name: str, size_wh=(64, 48)) -> np.ndarray:
    """Give a picture uint8 (H, W, 3) that the classifier takes for `name`."""
    return np.full((size_wh[1], size_wh[0], 3), COLOURS[name], np.uint8)


def save_classifier(path, labels=LABELS, sharpness=SHARPNESS, output='probabilities',
                    metadata=None, **shapes):
    """Write a classifier of the mean colour; labels beyond three are never seen."""
    count = max(len(labels), 3)
    table = np.zeros((3, count), np.float32)
    table[range(3), range(3)] = sharpness
    constants = [numpy_helper.from_array(table, 'table')]
    nodes = [*mean_nodes(), helper.make_node('MatMul', ['mean', 'table'], ['logits']),
             helper.make_node('Softmax', ['logits'], [output], axis=1)]
    return save(path, nodes, constants, output, metadata or {
        'task': 'classification', 'labels': json.dumps(labels)}, **shapes)


def save_pointer(path, labels=POINTS, output='points', metadata=None, **shapes):
    """
    Write a model of P points: x is the share of blue in the picture, y that of green.

    The first point is half of that, the second all, and so on.
    """
    count = max(len(labels), 1)
    table = np.zeros((3, 2 * count), np.float32)
    for number in range(count):
        table[0, 2 * number] = table[1, 2 * number + 1] = (1 + number) / 2
    constants = [numpy_helper.from_array(table, 'table'),
                 numpy_helper.from_array(np.array([1, count, 2]), 'shape')]
    nodes = [*mean_nodes(), helper.make_node('MatMul', ['mean', 'table'], ['flat']),
             helper.make_node('Reshape', ['flat', 'shape'], [output])]
    return save(path, nodes, constants, output, metadata or {
        'task': 'regression', 'labels': json.dumps(labels)}, **shapes)


def mean_nodes():
    """Nodes that give the mean colour, 0 to 1, as `mean` [1, 3]."""
    return [helper.make_node('Cast', ['image'], ['as_float'], to=TensorProto.FLOAT),
            helper.make_node('ReduceMean', ['as_float'], ['grey'], axes=[1, 2], keepdims=0),
            helper.make_node('Mul', ['grey', 'scale'], ['mean'])]


def save(path, nodes, constants, output, metadata, input_shape=(1, 32, 32, 3),
         input_type=TensorProto.UINT8):
    """Write the graph (opset 13, IR 8) and return its path as text."""
    scale = numpy_helper.from_array(np.float32(1 / 255), 'scale')
    graph = helper.make_graph(
        nodes, 'gesture', [helper.make_tensor_value_info('image', input_type, input_shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)], [*constants, scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return str(path)
