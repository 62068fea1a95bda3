"""
Average precision and time of whatever the detector node loads, on a COCO-format set.

    python -m training.evaluate --model edge_vision/models/person.onnx --data person/val.json

The model is a path, a shipped model's name, or `hog`. Only the classes that the set names count.
AP is pycocotools'; time is that from letterbox to boxes at the thresholds of the node (see
time_ms). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
from pathlib import Path
import statistics
import time

import cv2
from edge_vision.core.detections import Detections
from edge_vision.core.detector import load_detector, Options
from edge_vision.core.draw import draw
from edge_vision.core.errors import UserError
import numpy as np
from tqdm import tqdm
from training.coco import ImageSet, iou_matrix, Item, read_bgr, read_coco
from training.errors import run
from training.score import average_precision, coco_results, SIZES

TIMED_IMAGES = 20  # pictures on which the time is taken
TURNS = 12
LEAST_SCORE, LEAST_IOU, MOST = 0.01, 0.6, 300  # what counts for AP, unless told otherwise
SIZE_EDGES = (
    0.0,
    32.0**2,
    96.0**2,
    float('inf'),
)  # areas between COCO's small, medium, large, pixels


def detect_all(detector, images: ImageSet, quiet: bool = False) -> list[np.ndarray]:
    """
    Detect in each picture: rows [n, 6] x0 y0 x1 y1 score class_index.

    The class numbers are the set's; what the set does not name is left out.
    """
    index_of = {label: i for i, label in enumerate(images.labels)}
    if not set(index_of) & set(detector.labels):
        raise UserError(
            f'The model knows {", ".join(detector.labels[:5])} ..., but the set is about'
            f' {", ".join(images.labels)}: no class in common.'
        )
    found = []
    for item in tqdm(images.items, desc='detect', unit='img', mininterval=2, disable=quiet):
        found.append(rows_of(detector.detect(read_bgr(item.file)), index_of))
    return found


def rows_of(detections: Detections, index_of: dict[str, int]) -> np.ndarray:
    """Turn detections into rows [n, 6] with class numbers of the set; leave out other classes."""
    index = np.array(
        [index_of.get(detections.name(i), -1) for i in range(len(detections))], np.float32
    )
    rows = np.concatenate([detections.xyxy, detections.scores[:, None], index[:, None]], 1)
    return rows[index >= 0]


def boxes_of(found: list[np.ndarray], images: ImageSet) -> list[dict]:
    """Turn each picture's rows into the entries of a COCO results file."""
    return [
        entry
        for item, rows in zip(images.items, found)
        for entry in coco_results(item.image_id, images.category_ids, rows)
    ]


def ap_of(detector, images: ImageSet) -> dict[str, float]:
    """Average precision of a detector, whose thresholds are widened for it."""
    usual = detector.options
    detector.options = replace(
        usual, score_threshold=LEAST_SCORE, iou_threshold=LEAST_IOU, max_detections=MOST
    )
    found = detect_all(detector, images, quiet=True)
    detector.options = usual
    return average_precision(images, boxes_of(found, images), MOST)


def time_ms(models: list[str], options: Options, images: ImageSet) -> list[float]:
    """
    Take each model's milliseconds from letterbox to boxes: the median of its fastest turn.

    They take turns, so that a machine whose speed drifts slows them alike, and what else runs
    beside a turn only ever adds time. Only the one whose turn it is is loaded: the threads of
    another one would stay awake beside it. It sees the pictures once before the clock counts.
    """
    pictures = [read_bgr(item.file) for item in images.items[:TIMED_IMAGES]]
    best = [float('inf')] * len(models)
    for _ in range(TURNS):
        for i, model in enumerate(models):
            detector = load_detector(model, options)
            times = []
            for bgr in pictures * 2:
                begin = time.perf_counter()
                detector.detect(bgr)
                times.append(1000 * (time.perf_counter() - begin))
            best[i] = min(best[i], statistics.median(times[len(pictures) :]))
            del detector
    return best


def missed(item: Item, rows: np.ndarray, score: float, iou: float = 0.5) -> np.ndarray:
    """Tell which sure boxes of a picture go unfound at a score: columns area, missed [n, 2]."""
    sure = item.weight > 0
    boxes, rows = item.xyxy[sure], rows[rows[:, 4] >= score]
    hit = iou_matrix(boxes, rows[:, :4]) * (item.class_index[sure][:, None] == rows[None, :, 5])
    return np.stack([(boxes[:, 2:] - boxes[:, :2]).prod(1), hit.max(1, initial=0.0) < iou], 1)


def by_size(
    images: ImageSet, found: list[np.ndarray], precision: dict[str, float], score: float
) -> str:
    """Table of boxes, AP50 and what is missed at a score threshold, by size."""
    parts = np.concatenate([missed(item, rows, score) for item, rows in zip(images.items, found)])
    lines = [f'size      boxes   AP50   missed at score {score:g}']
    for name, low, high in zip(SIZES, SIZE_EDGES[:-1], SIZE_EDGES[1:]):
        these = parts[(parts[:, 0] >= low) & (parts[:, 0] < high), 1]
        ap50 = precision[f'ap50_{name}']
        lines.append(f'{name:8} {len(these):6} {ap50:6.3f}   {int(these.sum())}')
    empty = [rows for item, rows in zip(images.items, found) if len(item.xyxy) == 0]
    alarms = sum(int((rows[:, 4] >= score).any()) for rows in empty)
    lines.append(f'pictures without an object: {len(empty)}, a box at score {score:g} in {alarms}')
    return '\n'.join(lines)


def best_threshold(images: ImageSet, found: list[np.ndarray]) -> tuple[float, float]:
    """Score threshold with the best F1 over all boxes at IoU 0.5, and that F1."""
    hits = []
    for item, rows in zip(images.items, found):
        overlap = iou_matrix(rows[:, :4], item.xyxy) * (rows[:, 5:6] == item.class_index[None])
        taken: set[int] = set()
        for row, candidates in zip(rows, overlap):
            free = [i for i in np.argsort(-candidates) if candidates[i] >= 0.5 and i not in taken]
            doubtful = bool(free) and item.weight[free[0]] <= 0
            if not doubtful:
                hits.append((float(row[4]), bool(free)))
            taken.update(free[:1])
    hits.sort(reverse=True)
    right = np.cumsum([hit for _, hit in hits])
    f1 = 2 * right / (np.arange(1, len(hits) + 1) + images.boxes) if hits else np.zeros(1)
    best = int(f1.argmax())
    return (hits[best][0] if hits else 0.0), float(f1[best])


def write_drawings(
    folder: Path, images: ImageSet, found: list[np.ndarray], score: float, most: int = 40
) -> None:
    """Write pictures with the boxes found; what was missed is left to be seen."""
    folder.mkdir(parents=True, exist_ok=True)
    for item, rows in list(zip(images.items, found))[:most]:
        rows = rows[rows[:, 4] >= score]
        seen = Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), images.labels)
        cv2.imwrite(str(folder / f'{item.file.stem}.jpg'), draw(read_bgr(item.file), seen))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', required=True, help='path, shipped name, or hog')
    parser.add_argument('--data', type=Path, required=True, help='COCO file')
    parser.add_argument('--images', type=Path, help='its image folder (default: X/ beside X.json)')
    parser.add_argument('--json', action='store_true', help='print nothing but the JSON line')
    parser.add_argument(
        '--score-threshold', type=float, default=LEAST_SCORE, help='for AP (default: %(default)s)'
    )
    parser.add_argument(
        '--iou-threshold', type=float, default=LEAST_IOU, help='for AP (default: %(default)s)'
    )
    parser.add_argument(
        '--max-detections', type=int, default=MOST, help='for AP (default: %(default)s)'
    )
    parser.add_argument(
        '--look-score',
        type=float,
        default=0.3,
        help='threshold for --draw and for what is missed (default: %(default)s)',
    )
    parser.add_argument(
        '--threads', type=int, default=2, help='CPU threads (default: %(default)s)'
    )
    parser.add_argument('--against', help='another model, timed in turns with this one')
    parser.add_argument('--draw', type=Path, help='write pictures with boxes into this folder')
    parser.add_argument('--results', type=Path, help='write the boxes as a COCO results file')
    args = parser.parse_args()
    images = read_coco(args.data, args.images)
    usual = Options(threads=args.threads)
    detector = load_detector(args.model, usual)
    detector.options = replace(
        usual,
        score_threshold=args.score_threshold,
        iou_threshold=args.iou_threshold,
        max_detections=args.max_detections,
    )
    found = detect_all(detector, images, args.json)
    results = boxes_of(found, images)
    precision = average_precision(images, results, args.max_detections)
    del detector
    others = [args.against] if args.against else []
    times = time_ms([args.model, *others], usual, images)
    line = {
        'model': args.model,
        'images': len(images.items),
        'boxes': images.boxes,
        'ap50': round(precision['ap50'], 4),
        'ap': round(precision['ap'], 4),
        'ms_per_image': round(times[0], 2),
    }
    if others:
        line.update(
            against=args.against,
            against_ms=round(times[1], 2),
            ratio=round(times[0] / times[1], 3),
        )
    if args.results:
        args.results.write_text(json.dumps(results), encoding='utf-8')
    if args.draw:
        write_drawings(args.draw, images, found, args.look_score)
    if not args.json:
        print(by_size(images, found, precision, args.look_score))
        threshold, f1 = best_threshold(images, found)
        print(f'best F1 {f1:.3f} at score {threshold:.2f}')
    print(json.dumps(line))


if __name__ == '__main__':
    run(main)
