"""
Make a model file smaller and faster: int8 weights and activations, or float16 weights.

    python -m training.quantize --model person.onnx --kind int8 --data person/train.json \
        --val person/val.json --out person_int8.onnx

int8 is calibrated on the pictures of --data: per channel for weights, from the range seen for
activations, written as QuantizeLinear and DequantizeLinear pairs (QDQ). The first and the output
convolutions and decoding stay in float. With --val, parts that cost more than --max-drop of AP50
together stay in float too, the worst first, and are named. float16 halves the file: weights are
kept in half precision and widened when the file is loaded, so that it runs as before everywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
import json
from pathlib import Path
import tempfile

from edge_vision.core.detector import load_detector
from edge_vision.core.errors import UserError
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
from onnxruntime.quantization import (
    CalibrationMethod,
    QuantFormat,
    quantize_static,
    QuantType,
)
from training.calibrate import Calibration, shared_ranges
from training.coco import ImageSet, read_coco
from training.errors import run
from training.evaluate import ap_of
from training.parity import input_wh

# Relu is named so that the range of the Conv before it begins at zero, which does Relu's work
QUANTIZED = ('Conv', 'Relu', 'Add', 'Concat', 'MaxPool', 'Resize')


def float_nodes(model: onnx.ModelProto, parts: Iterable[str]) -> list[str]:
    """
    Name the nodes that stay in float: outputs and all behind them, and those of these parts.

    A part is a name of the table of widths, such as head8. The first convolution stays too: with
    as few inputs as a picture has, int8 would be slower.
    """
    graph = model.graph
    producers = {output: node for node in graph.node for output in node.output}
    outs = [n for n in graph.node if n.op_type == 'Conv' and '_out/' in n.name]
    if not outs:
        raise UserError('The model is not an exported detector: it has no output convolutions.')
    inner: set[str] = set()
    todo = [name for node in outs for name in node.input]
    while todo:
        node = producers.get(todo.pop())
        if node is not None and node.name not in inner:
            inner.add(node.name)
            todo += node.input
    kept = ('/stem/stem.0/', *(f'/{part}/' for part in parts))
    return [n.name for n in graph.node if n.name not in inner or n.name.startswith(kept)]


def parts_of(model: onnx.ModelProto) -> list[str]:
    """List the parts of the network that have a convolution, in the order of the graph."""
    convs = [n.name for n in model.graph.node if n.op_type == 'Conv' and n.name.startswith('/')]
    return list(dict.fromkeys(name.split('/')[1] for name in convs))


def to_int8(
    model: onnx.ModelProto, images: ImageSet, count: int, keep: Iterable[str] = ()
) -> onnx.ModelProto:
    """Quantize with `count` calibration pictures; the parts in `keep` stay in float."""
    size_wh = input_wh(model)
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / 'float.onnx', Path(folder) / 'int8.onnx'
        onnx.save(model, source)
        excluded = float_nodes(model, keep)
        ranges = shared_ranges(
            source, model.graph, Calibration(images, count, size_wh), excluded
        )
        quantize_static(
            source,
            result,
            Calibration(images, count, size_wh),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                'WeightSymmetric': True,
                'ActivationSymmetric': False,
                'TensorQuantOverrides': ranges,
            },
        )
        done = onnx.load(result)
    return like(done, model)


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep the convolutions' weights in half precision, with a Cast behind each."""
    done = onnx.ModelProto()
    done.CopyFrom(model)
    used = {name for n in done.graph.node if n.op_type == 'Conv' for name in n.input[1:]}
    casts = []
    for tensor in done.graph.initializer:
        if tensor.name in used and tensor.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f'{name}/half'))
            casts.append(helper.make_node('Cast', [f'{name}/half'], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *done.graph.node]
    del done.graph.node[:]
    done.graph.node.extend(nodes)
    return like(done, model)


def like(done: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Give the changed model the format and metadata of the one it was made of; check it."""
    done.ir_version = model.ir_version
    del done.opset_import[:]
    done.opset_import.extend(model.opset_import)
    del done.metadata_props[:]
    done.metadata_props.extend(model.metadata_props)
    done.producer_name, done.producer_version = model.producer_name, ''
    onnx.checker.check_model(done)
    return done


def ap50_of(model: onnx.ModelProto, val: ImageSet) -> float:
    """AP50 of a model as the detector node runs it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'model.onnx'
        onnx.save(model, file)
        return ap_of(load_detector(str(file)), val)['ap50']


def int8_within(
    model: onnx.ModelProto,
    images: ImageSet,
    val: ImageSet | None,
    count: int,
    max_drop: float,
    keep: list[str],
) -> tuple[onnx.ModelProto, list[str]]:
    """Quantize; leave the worst parts in float until AP50 falls by no more than `max_drop`."""
    done = to_int8(model, images, count, keep)
    if val is None:
        return done, keep
    base, now = ap50_of(model, val), ap50_of(done, val)
    print(f'AP50 {base:.4f} in float32, {now:.4f} in int8', flush=True)
    while base - now > max_drop:
        rest = [part for part in parts_of(model) if part not in keep]
        if not rest:
            break
        trials = {part: to_int8(model, images, count, [*keep, part]) for part in rest}
        scores = {part: ap50_of(trial, val) for part, trial in trials.items()}
        worst = max(scores, key=lambda part: scores[part])
        keep, done, now = [*keep, worst], trials[worst], scores[worst]
        print(f'AP50 {now:.4f} with {", ".join(keep)} in float', flush=True)
    return done, keep


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--model', type=Path, required=True, help='model file made by export_onnx')
    add('--kind', choices=('int8', 'float16'), default='int8', help='(default: %(default)s)')
    add('--data', type=Path, help='COCO file to calibrate on (int8)')
    add('--images', type=Path, help='its image folder (default: X/ beside X.json)')
    add('--calibration-images', type=int, default=200, help='(default: %(default)s)')
    add('--val', type=Path, help='COCO file to measure AP on')
    add('--max-drop', type=float, default=0.02, help='of AP50 (default: %(default)s)')
    add('--keep', nargs='*', default=[], help='parts to leave in float, such as head8')
    add('--out', type=Path, required=True, help='model file to write')
    args = parser.parse_args()
    if not args.model.is_file():
        raise UserError(f'{args.model} is not a file.')
    model = onnx.load(args.model)
    if args.kind == 'float16':
        done, keep = to_float16(model), list[str]()
    elif args.data is None:
        raise UserError('int8 needs --data, a COCO file to calibrate on.')
    else:
        images = read_coco(args.data, args.images)
        val = read_coco(args.val) if args.val else None
        count = args.calibration_images
        done, keep = int8_within(model, images, val, count, args.max_drop, args.keep)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(done, args.out)
    sizes = {'bytes': args.out.stat().st_size, 'bytes_before': args.model.stat().st_size}
    print(json.dumps({'model': str(args.out), 'kind': args.kind, **sizes, 'in_float': keep}))


if __name__ == '__main__':
    run(main)
