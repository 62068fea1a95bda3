"""Whether an exported model gives torch's boxes: within 0.5 pixels, scores within 1e-3."""

from __future__ import annotations

from edge_vision.core.errors import UserError
import numpy as np
import onnx
import onnxruntime
from training.coco import iou_matrix
from training.network import Detector
from training.predict import decoded, suppress

BOX_TOLERANCE = 0.5  # pixels
SCORE_TOLERANCE = 1e-3
SCORE_THRESHOLD, IOU_THRESHOLD, MOST = 1e-6, 0.6, 50  # boxes are compared whatever their score
IOU_TOLERANCE = 0.02  # rounding may keep another one of two boxes that are as good


def open_session(model: onnx.ModelProto, threads: int = 0) -> onnxruntime.InferenceSession:
    """Load a model from memory on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of inputs that have defaults
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )


def input_wh(model: onnx.ModelProto) -> tuple[int, int]:
    """Width and height of a detector's input, in pixels."""
    height, width = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:3])
    return width, height


def trial_pictures(size_wh: tuple[int, int], count: int = 3) -> list[np.ndarray]:
    """Make pictures of blocks of colour, uint8 [H, W, 3]: structure to give boxes anywhere."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        bgr = rng.integers(90, 140, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
        for _ in range(12):
            x, y = (int(rng.integers(0, side - 8)) for side in size_wh)
            w, h = (int(rng.integers(8, side // 2)) for side in size_wh)
            bgr[y : y + h, x : x + w] = rng.integers(0, 256, 3)
        pictures.append(bgr)
    return pictures


def check_parity(exported: onnx.ModelProto, model: Detector) -> None:
    """Compare the exported file's boxes with torch's; raise UserError where they differ."""
    session = open_session(exported)
    thresholds = {
        'score_threshold': np.array([SCORE_THRESHOLD], np.float32),
        'iou_threshold': np.array([IOU_THRESHOLD], np.float32),
        'max_detections': np.array([MOST], np.int64),
    }
    for number, bgr in enumerate(trial_pictures(input_wh(exported))):
        rows = session.run(None, {'image': bgr[None], **thresholds})[0]
        xyxy, scores = decoded(model, bgr)
        strange = [row for row in rows if not has_cell(row, xyxy, scores)]
        wanted = suppress(xyxy, scores, SCORE_THRESHOLD, IOU_THRESHOLD, MOST)
        lost = [row for row in wanted if not is_covered(row, rows)]
        if strange or lost:
            raise UserError(
                f'The exported model differs from torch on trial picture {number}: {len(strange)}'
                f' of its {len(rows)} boxes are not in torch, {len(lost)} of torch are not in it;'
                f' the first is {np.round((strange + lost)[0], 3)}.'
            )


def has_cell(row: np.ndarray, xyxy: np.ndarray, scores: np.ndarray) -> bool:
    """Tell whether a cell of torch gives the box, class and score of `row` [6]."""
    close = np.abs(xyxy - row[:4]).max(1) <= BOX_TOLERANCE
    return bool((close & (np.abs(scores[:, int(row[5])] - row[4]) <= SCORE_TOLERANCE)).any())


def is_covered(row: np.ndarray, others: np.ndarray) -> bool:
    """
    Tell whether `others` [n, 6] holds `row` [6], or a box as good that suppresses it.

    A full list may have dropped it at its end.
    """
    if len(others) == MOST and row[4] <= others[-1, 4] * 1.001:
        return True
    same = others[(others[:, 5] == row[5]) & (others[:, 4] >= row[4] - SCORE_TOLERANCE)]
    overlap = iou_matrix(row[None, :4], same[:, :4])
    return bool((overlap >= IOU_THRESHOLD - IOU_TOLERANCE).any())
