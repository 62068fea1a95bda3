"""Whether an exported model gives torch's boxes: within 0.5 pixels, scores within 1e-3."""

from __future__ import annotations

from edge_vision.core.errors import UserError
import numpy as np
import onnx
import onnxruntime
from training.coco import iou_matrix
from training.network import Detector
from training.predict import predict

BOX_TOLERANCE = 0.5  # pixels
SCORE_TOLERANCE = 1e-3
IOU_TOLERANCE = 1e-3  # a box that overlaps a better one this near the threshold may go either way
LAST = 1.001  # of a full list, scores within this factor of its last may fall off
SCORE_THRESHOLD, IOU_THRESHOLD, MOST = 1e-6, 0.6, 50  # boxes are compared whatever their score


def open_session(model: onnx.ModelProto, threads: int = 0) -> onnxruntime.InferenceSession:
    """Load a model from memory on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of inputs that have defaults
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )


def trial_pictures(size: int, count: int = 3) -> list[np.ndarray]:
    """Make pictures of blocks of colour, uint8 [S, S, 3]: structure to give boxes anywhere."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        bgr = rng.integers(90, 140, (size, size, 3), dtype=np.uint8)
        for _ in range(12):
            x, y = rng.integers(0, size - 8, 2)
            w, h = rng.integers(8, size // 2, 2)
            bgr[y : y + h, x : x + w] = rng.integers(0, 256, 3)
        pictures.append(bgr)
    return pictures


def check_parity(exported: onnx.ModelProto, model: Detector, size: int) -> None:
    """Compare the exported file's boxes with torch's; raise UserError where they differ."""
    session = open_session(exported)
    thresholds = {
        'score_threshold': np.array([SCORE_THRESHOLD], np.float32),
        'iou_threshold': np.array([IOU_THRESHOLD], np.float32),
        'max_detections': np.array([MOST], np.int64),
    }
    for number, bgr in enumerate(trial_pictures(size)):
        rows = {
            'ONNX': session.run(None, {'image': bgr[None], **thresholds})[0],
            'torch': predict(model, bgr, SCORE_THRESHOLD, IOU_THRESHOLD, MOST),
        }
        for one, other in (('ONNX', 'torch'), ('torch', 'ONNX')):
            lost = [row for row in rows[one] if not has_match(row, rows[other])]
            if lost:
                raise UserError(
                    f'The exported model differs from torch: of the {len(rows[one])} boxes that'
                    f' {one} finds on trial picture {number}, {other} lacks {len(lost)},'
                    f' {np.round(lost[0], 3)} first.'
                )


def has_match(row: np.ndarray, others: np.ndarray) -> bool:
    """
    Whether `others` [n, 6] holds the same box, class and score as `row` [6].

    The last of a limited list, and a box that overlaps a better one right at the threshold, may be
    missing through rounding alone.
    """
    same = others[others[:, 5] == row[5]]
    close = np.abs(same[:, :4] - row[:4]).max(1, initial=0.0) <= BOX_TOLERANCE
    if (close & (np.abs(same[:, 4] - row[4]) <= SCORE_TOLERANCE)).any():
        return True
    overlap = iou_matrix(row[None, :4], same[:, :4])
    at_threshold = bool((np.abs(overlap - IOU_THRESHOLD) < IOU_TOLERANCE).any())
    return at_threshold or (len(others) == MOST and row[4] <= others[-1, 4] * LAST)
