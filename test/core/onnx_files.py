"""Small real model files: graphs that put out what a test wants, whatever picture they see."""

import json

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

TYPES = {'float32': TensorProto.FLOAT, 'float16': TensorProto.FLOAT16,
         'uint8': TensorProto.UINT8, 'int64': TensorProto.INT64}
SCALAR_OPTIONS = {'score_threshold': np.float32(0.25), 'iou_threshold': np.float32(0.5),
                  'max_detections': np.int64(100)}


def save_model(path, outputs, input_shape=(1, 3, 96, 96), input_type='float32', metadata=None,
               options=False, second_input=False, echo=False):
    """
    Write an ONNX file (opset 13, IR 8) and return its path as text.

    outputs: name to array, what the model answers. options: the optional inputs of our own
    models. second_input: another image that must be given. echo: the mean of each channel of the
    picture, top left pixel only, is put into the first three numbers of the first output.
    """
    image = helper.make_tensor_value_info('image', TYPES[input_type], input_shape)
    inputs, nodes, constants, answers = [image], [], [], []
    for number, (name, array) in enumerate(outputs.items()):
        constants.append(numpy_helper.from_array(np.asarray(array), f'constant_{name}'))
        source = f'constant_{name}'
        if number == 0 and echo:
            nodes += echo_nodes(source, input_shape, np.asarray(array), constants)
            source = 'echoed'
        nodes.append(helper.make_node('Identity', [source], [name]))
        answers.append(helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype), None))
    nodes.append(helper.make_node('Shape', ['image'], ['unused']))  # every input is used
    if options:
        for name, value in SCALAR_OPTIONS.items():
            constants.append(numpy_helper.from_array(np.array([value]), name))
            inputs.append(helper.make_tensor_value_info(name, TYPES[str(value.dtype)], [1]))
            answers.append(helper.make_tensor_value_info(
                f'{name}_used', TYPES[str(value.dtype)], [1]))
            nodes.append(helper.make_node('Identity', [name], [f'{name}_used']))
    if second_input:
        inputs.append(helper.make_tensor_value_info('image_2', TYPES[input_type], input_shape))
    graph = helper.make_graph(nodes, 'test', inputs, answers, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, str(path))
    return str(path)


def echo_nodes(source, input_shape, array, constants):
    """Nodes that add the three channels of the top left pixel to the first row of `source`."""
    channels_last = input_shape[-1] == 3
    ends = [1, 1, 1, 3] if channels_last else [1, 3, 1, 1]
    place = np.zeros((3, array.size), np.float32)
    place[range(3), range(3)] = 1
    constants += [numpy_helper.from_array(np.array(value), name) for name, value in (
        ('from', [0, 0, 0, 0]), ('to', ends), ('flat', [1, 3]), ('shape', list(array.shape)))]
    constants.append(numpy_helper.from_array(place, 'place'))
    return [helper.make_node('Cast', ['image'], ['as_float'], to=TensorProto.FLOAT),
            helper.make_node('Slice', ['as_float', 'from', 'to'], ['corner']),
            helper.make_node('Reshape', ['corner', 'flat'], ['pixel']),
            helper.make_node('MatMul', ['pixel', 'place'], ['row']),
            helper.make_node('Reshape', ['row', 'shape'], ['shaped']),
            helper.make_node('Add', [source, 'shaped'], ['echoed'])]


def labels_metadata(*names):
    """Metadata with the class names of our own models."""
    return {'task': 'detection', 'labels': json.dumps(names)}
