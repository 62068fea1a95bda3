"""
Turn a checkpoint into the model file that the detector node runs.

    python -m training.export_onnx --checkpoint runs/person/best.pt --out person.onnx

The file takes `image` uint8 [1, S, S, 3] (BGR, letterboxed at the top left on grey 114) and gives `detections` float32
[N, 6]: x0 y0 x1 y1 in input pixels, score, class index, best first. Normalising, decoding and non-maximum suppression
are inside; batch norm and the division by 255 are folded into the convolutions. `score_threshold`, `iou_threshold` and
`max_detections` are optional inputs. The result is compared with torch before it is written.
"""
from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime
import torch
from torch import nn

from training.checkpoint import averaged_model, load_checkpoint
from training.errors import InputError, run
from training.loss import pair_iou
from training.network import cells, decode_xyxy, Detector, folded
from training.predict import predict

OPSET = 13  # ONNX Runtime 1.11 and TensorRT 8.2 of the first Jetson Nano
IR_VERSION = 8
BOX_TOLERANCE = 0.5  # pixels
SCORE_TOLERANCE = 1e-3
SCORE_THRESHOLD = 0.35
IOU_THRESHOLD = 0.6
MAX_DETECTIONS = 100


class Decoded(nn.Module):
    """From the uint8 picture to boxes [1, cells, 4] in input pixels and scores [1, classes, cells]."""

    def __init__(self, model: Detector, size: int) -> None:
        super().__init__()
        self.model = folded(model)
        self.model.stem[0][0].weight.data /= 255.0
        centres, strides = cells(size)
        self.register_buffer('centres', centres)
        self.register_buffer('strides', strides)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raw = self.model(image.permute(0, 3, 1, 2).float())
        return decode_xyxy(raw, self.centres, self.strides), raw[..., 4:].sigmoid().transpose(1, 2)


def build_onnx(model: Detector, size: int, labels: list[str]) -> onnx.ModelProto:
    """Trace the network and add the suppression and the metadata."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the tracer's own deprecation; its graphs are the plainest at opset 13
        torch.onnx.export(Decoded(model, size).eval(), (torch.zeros(1, size, size, 3, dtype=torch.uint8),), buffer,
                          input_names=['image'], output_names=['boxes', 'scores'], opset_version=OPSET, dynamo=False)
    result = onnx.load_from_string(buffer.getvalue())
    add_suppression(result.graph)
    result.ir_version = IR_VERSION
    result.producer_name, result.producer_version, result.doc_string = 'edge_vision', '', ''
    helper.set_model_props(result, {'task': 'detection', 'labels': json.dumps(labels)})
    onnx.checker.check_model(result, full_check=True)
    return result


def add_suppression(graph: onnx.GraphProto) -> None:
    """Put non-maximum suppression per class behind `boxes` and `scores`, with the optional inputs."""
    defaults = {'score_threshold': np.array([SCORE_THRESHOLD], np.float32),
                'iou_threshold': np.array([IOU_THRESHOLD], np.float32),
                'max_detections': np.array([MAX_DETECTIONS], np.int64)}
    constants = {'nms/first': np.array([0], np.int64), 'nms/last': np.array([3], np.int64),
                 'nms/class': np.array([1], np.int64), 'nms/cell': np.array([2], np.int64),
                 'nms/axis': np.array([1], np.int64), 'nms/flat': np.array([-1], np.int64)}
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in {**defaults, **constants}.items())
    graph.input.extend(helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), [1])
                       for k, v in defaults.items())
    node = helper.make_node
    graph.node.extend([
        # The operator reads corners as y x y x; overlaps are the same with the axes swapped.
        node('NonMaxSuppression', ['boxes', 'scores', 'max_detections', 'iou_threshold', 'score_threshold'],
             ['nms/selected'], 'nms'),
        node('Slice', ['nms/selected', 'nms/class', 'nms/cell', 'nms/axis'], ['nms/class_column']),
        node('Slice', ['nms/selected', 'nms/cell', 'nms/last', 'nms/axis'], ['nms/cell_column']),
        node('Slice', ['nms/selected', 'nms/class', 'nms/last', 'nms/axis'], ['nms/place']),
        node('Squeeze', ['scores', 'nms/first'], ['nms/scores']),
        node('GatherND', ['nms/scores', 'nms/place'], ['nms/score']),
        # Best first over all classes, and no more than max_detections.
        node('Shape', ['nms/score'], ['nms/count']),
        node('Min', ['nms/count', 'max_detections'], ['nms/most']),
        node('TopK', ['nms/score', 'nms/most'], ['nms/best_score', 'nms/order'], axis=0),
        node('Gather', ['nms/cell_column', 'nms/order'], ['nms/best_cell_column']),
        node('Reshape', ['nms/best_cell_column', 'nms/flat'], ['nms/best_cell']),
        node('Squeeze', ['boxes', 'nms/first'], ['nms/boxes']),
        node('Gather', ['nms/boxes', 'nms/best_cell'], ['nms/best_box']),
        node('Gather', ['nms/class_column', 'nms/order'], ['nms/best_class']),
        node('Cast', ['nms/best_class'], ['nms/best_class_float'], to=TensorProto.FLOAT),
        node('Unsqueeze', ['nms/best_score', 'nms/axis'], ['nms/best_score_column']),
        node('Concat', ['nms/best_box', 'nms/best_score_column', 'nms/best_class_float'], ['detections'], axis=1),
    ])
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info('detections', TensorProto.FLOAT, ['N', 6]))


def open_session(model: onnx.ModelProto, threads: int = 0) -> onnxruntime.InferenceSession:
    """Load a model from memory on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of inputs that have defaults
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])


def trial_pictures(size: int, count: int = 3) -> list[np.ndarray]:
    """Make pictures of overlapping blocks of colour, uint8 [S, S, 3]: enough structure to give boxes anywhere."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        bgr = rng.integers(90, 140, (size, size, 3), dtype=np.uint8)
        for _ in range(12):
            x, y = rng.integers(0, size - 8, 2)
            w, h = rng.integers(8, size // 2, 2)
            bgr[y:y + h, x:x + w] = rng.integers(0, 256, 3)
        pictures.append(bgr)
    return pictures


def check_parity(exported: onnx.ModelProto, model: Detector, size: int) -> None:
    """Compare the exported file's boxes with torch's; a difference ends in an InputError."""
    session = open_session(exported)
    for number, bgr in enumerate(trial_pictures(size)):
        expected = predict(model, bgr, 1e-6, IOU_THRESHOLD, 50)
        got = session.run(None, {'image': bgr[None], 'score_threshold': np.array([1e-6], np.float32),
                                 'iou_threshold': np.array([IOU_THRESHOLD], np.float32),
                                 'max_detections': np.array([50], np.int64)})[0]
        for ours, theirs, sides in ((got, expected, ('ONNX', 'torch')), (expected, got, ('torch', 'ONNX'))):
            lost = [row for row in ours if not has_match(row, theirs)]
            if lost:
                raise InputError(f'The exported model differs from torch: of the {len(ours)} boxes that {sides[0]} finds'
                                 f' on test picture {number}, {sides[1]} lacks {len(lost)}, {np.round(lost[0], 3)} first.')


def has_match(row: np.ndarray, others: np.ndarray) -> bool:
    """
    Whether `others` holds the same box, class and score, within the tolerances.

    The last of a limited list, and a box that overlaps a better one right at the threshold, may be missing through
    rounding alone.
    """
    same = others[others[:, 5] == row[5]]
    close = (np.abs(same[:, :4] - row[:4]).max(1, initial=0.0) <= BOX_TOLERANCE) & \
        (np.abs(same[:, 4] - row[4]) <= SCORE_TOLERANCE)
    if close.any():
        return True
    iou = pair_iou(torch.from_numpy(row[None, :4]), torch.from_numpy(same[:, :4]))[0].numpy()
    at_threshold = (np.abs(iou - IOU_THRESHOLD) < 1e-3).any()
    return bool(at_threshold or len(others) and row[4] <= others[-1, 4] + SCORE_TOLERANCE / 10)


def export(checkpoint: Path, out: Path) -> onnx.ModelProto:
    """Export a checkpoint's averaged weights to `out` and return the model."""
    state = load_checkpoint(checkpoint)
    model = averaged_model(state)
    exported = build_onnx(model, state['size'], state['labels'])
    check_parity(exported, model, state['size'])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(exported.SerializeToString())
    return exported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--checkpoint', type=Path, required=True, help='best.pt or last.pt of a run')
    parser.add_argument('--out', type=Path, required=True, help='model file to write')
    args = parser.parse_args()
    export(args.checkpoint, args.out)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.2f} MB, same boxes as torch')


if __name__ == '__main__':
    run(main)
