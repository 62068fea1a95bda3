"""
Turn a checkpoint into the model file that the detector node runs.

    python -m training.export_onnx --checkpoint runs/person/best.pt --out person.onnx

The file takes `image` uint8 [1, H, W, 3] (BGR, letterboxed at the top left on grey 114) and gives
`detections` float32 [N, 6]: x0 y0 x1 y1 in input pixels, score, class index, best first.
Normalising, decoding and non-maximum suppression are inside; batch norm and the division by 255
are folded into the convolutions. `score_threshold`, `iou_threshold` and `max_detections` are
optional inputs. The result is compared with torch before it is written.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import tempfile
from typing import Any, cast
import warnings

from edge_vision.core.errors import UserError
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import torch
from torch import nn
from training.checkpoint import averaged_model, load_checkpoint
from training.errors import run
from training.fused import fused, interleaved
from training.network import cells, Detector, MAX_LOG_SIZE, STRIDES
from training.parity import check_parity

OPSET = 13  # ONNX Runtime 1.11 and TensorRT 8.2 of the first Jetson Nano
IR_VERSION = 8
DEFAULTS: dict[str, np.ndarray] = {
    'score_threshold': np.array([0.35], np.float32),
    'iou_threshold': np.array([0.6], np.float32),
    'max_detections': np.array([100], np.int64),
}


class Decoded(nn.Module):
    """Picture uint8 [1, H, W, 3] to boxes [1, cells, 4] in pixels, scores [1, classes, cells]."""

    def __init__(self, model: Detector, size_wh: tuple[int, int]) -> None:
        super().__init__()
        self.model = fused(model)
        first = interleaved(cast(nn.Conv2d, self.model.stem.get_submodule('0.0')))
        first.weight.data /= 255.0
        cast(nn.Sequential, self.model.stem[0])[0] = first
        self.rows = size_wh[1], 3 * size_wh[0]
        centres, strides = cells(*size_wh)
        self.centres, self.strides = centres.T, strides[None]

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = self.model.maps(image.reshape(1, 1, *self.rows).float())
        # Plain numbers give a plain Reshape, where flatten() would give five nodes.
        flat = [m.reshape(1, 4 + self.model.classes, -1) for m in maps]
        raw = torch.cat(flat, 2)
        # decode_xyxy with the numbers first and the cells last, where rows lie in one piece
        middle = self.centres + raw[:, :2] * self.strides
        half = torch.exp(raw[:, 2:4].clamp(max=MAX_LOG_SIZE)) * (self.strides * 0.5)
        boxes = torch.cat([middle - half, middle + half], 1).transpose(1, 2)
        return boxes, raw[:, 4:].sigmoid()


def build_onnx(
    model: Detector, size_wh: tuple[int, int], labels: list[str]
) -> onnx.ModelProto:
    """Trace the network and add the suppression and the metadata."""
    sample = torch.zeros(1, size_wh[1], size_wh[0], 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracing exporter is announced to go, but its graphs are the plainest at opset 13.
        warnings.simplefilter('ignore')
        file = Path(folder) / 'network.onnx'
        torch.onnx.export(
            Decoded(model, size_wh).eval(),
            (sample,),
            file,
            input_names=['image'],
            output_names=['boxes', 'scores'],
            opset_version=OPSET,
            dynamo=False,
        )
        result = onnx.load(file)
    add_suppression(result.graph)
    result.ir_version = IR_VERSION
    result.producer_name, result.producer_version, result.doc_string = 'edge_vision', '', ''
    helper.set_model_props(result, {'task': 'detection', 'labels': json.dumps(labels)})
    onnx.checker.check_model(result, full_check=True)
    return result


def add_suppression(graph: onnx.GraphProto) -> None:
    """Put suppression per class, with its optional inputs, behind `boxes` and `scores`."""
    for name, value in DEFAULTS.items():
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        graph.input.append(helper.make_tensor_value_info(name, kind, [1]))
    numbers = {f'nms/{i}': np.array([i], np.int64) for i in (-1, 0, 1, 2, 3)}
    for name, value in {**DEFAULTS, **numbers}.items():
        graph.initializer.append(numpy_helper.from_array(value, name))

    def add(kind: str, inputs: str, output: str, **attributes: Any) -> None:
        graph.node.append(
            helper.make_node(kind, inputs.split(), [output], name=output, **attributes)
        )

    # The operator reads corners as y x y x; overlaps are the same with the axes swapped.
    thresholds = 'max_detections iou_threshold score_threshold'
    add('NonMaxSuppression', f'boxes scores {thresholds}', 'nms/selected')
    # Its rows are picture, class, cell.
    add('Slice', 'nms/selected nms/1 nms/2 nms/1', 'nms/class_column')
    add('Slice', 'nms/selected nms/2 nms/3 nms/1', 'nms/cell_column')
    add('Slice', 'nms/selected nms/1 nms/3 nms/1', 'nms/place')
    add('Squeeze', 'scores nms/0', 'nms/scores')
    add('GatherND', 'nms/scores nms/place', 'nms/score')
    # Best first over all classes, and no more than max_detections.
    add('Shape', 'nms/score', 'nms/count')
    add('Min', 'nms/count max_detections', 'nms/most')
    graph.node.append(
        helper.make_node(
            'TopK', ['nms/score', 'nms/most'], ['nms/best', 'nms/order'], 'nms/best', axis=0
        )
    )
    add('Gather', 'nms/cell_column nms/order', 'nms/best_cell_column')
    add('Reshape', 'nms/best_cell_column nms/-1', 'nms/best_cell')
    add('Squeeze', 'boxes nms/0', 'nms/boxes')
    add('Gather', 'nms/boxes nms/best_cell', 'nms/best_boxes')
    add('Gather', 'nms/class_column nms/order', 'nms/best_class')
    add('Cast', 'nms/best_class', 'nms/best_class_float', to=TensorProto.FLOAT)
    add('Unsqueeze', 'nms/best nms/1', 'nms/best_score')
    add('Concat', 'nms/best_boxes nms/best_score nms/best_class_float', 'detections', axis=1)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info('detections', TensorProto.FLOAT, ['N', 6]))


def parse_size(text: str) -> tuple[int, int]:
    """Read an input's width and height in pixels: `320`, or `416x320` for other than squares."""
    sides = [int(part) if part.isdecimal() else 0 for part in text.split('x')]
    if len(sides) > 2 or any(side < STRIDES[-1] or side % STRIDES[-1] for side in sides):
        raise UserError(
            f"--size is '{text}'; a multiple of {STRIDES[-1]} such as 320, or two such as 416x320"
            ' (width, height) would do.'
        )
    return sides[0], sides[-1]


def export(
    checkpoint: Path, out: Path, size_wh: tuple[int, int] | None = None
) -> onnx.ModelProto:
    """Export a checkpoint's averaged weights to `out`, as a square of the size it was trained."""
    state = load_checkpoint(checkpoint)
    model = averaged_model(state)
    exported = build_onnx(model, size_wh or (state['size'], state['size']), state['labels'])
    check_parity(exported, model)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(exported.SerializeToString())
    return exported


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--checkpoint', type=Path, required=True, help='best.pt or last.pt of a run'
    )
    parser.add_argument('--out', type=Path, required=True, help='model file to write')
    parser.add_argument(
        '--size',
        type=str,
        default='',
        help='of its input in pixels: 320, or 416x320 for a camera that sees more in width, which'
        ' wastes none of it on padding (default: a square as trained)',
    )
    args = parser.parse_args()
    export(args.checkpoint, args.out, parse_size(args.size) if args.size else None)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.2f} MB, same boxes as torch')


if __name__ == '__main__':
    run(main)
