"""
Counts what the tracker gets wrong on a video of six people, and what a frame costs.

    python -m bench.tracks [--model FILE ...] [--video FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path
import time

import cv2
from edge_vision.core.detections import Detections
from edge_vision.core.detector import load_detector, Options
from edge_vision.core.onnx_model import find_model
from edge_vision.core.tracker import LOW_SCORE, Tracker
import numpy as np

SHARED = Path(__file__).resolve().parents[2] / 'shared'
VIDEO = SHARED / 'data' / 'video' / 'one_by_one_person.mp4'
FOREIGN = SHARED / 'models' / 'yolox_nano.onnx'
# frames in which each of the six is there, as the README of the shared data has them
PEOPLE = ((70, 190), (230, 440), (510, 690), (750, 860), (940, 1185), (1240, 1350))
THRESHOLD = 0.4  # the default of the detector node


def detections_of(model: str, video: str, threads: int = 2):
    """Yield (seconds, Detections) of the people in each frame, weak boxes too."""
    detector = load_detector(model, Options(score_threshold=LOW_SCORE, classes=('person',),
                                            threads=threads))
    reader = cv2.VideoCapture(video)
    rate_hz, number = reader.get(cv2.CAP_PROP_FPS), 0
    while True:
        ok, bgr = reader.read()
        if not ok:
            return
        yield number / rate_hz, detector.detect(bgr)
        number += 1


def ids_of(frames, threshold: float = THRESHOLD) -> list[list[int]]:
    """Ids of the confirmed tracks in each frame; frames as detections_of yields them."""
    tracker = Tracker()
    return [[int(i) for i in tracker.update(found, s, threshold).track_ids if i]
            for s, found in frames]


def faults(ids: list[list[int]], people=PEOPLE) -> dict[str, int]:
    """
    Count tracks, switches, breaks and strangers.

    switches: a person gets another number. broken: frames, after a person's first with a number
    and within the time listed, in which the person has none. strangers: tracks of nobody listed.
    """
    switches = broken = 0
    of_people: set[int] = set()
    for first, last in people:
        seen = ids[first:last + 1]
        begin = next((n for n, frame in enumerate(seen) if frame), len(seen))
        broken += sum(not frame for frame in seen[begin:])
        mine = list(dict.fromkeys(i for frame in seen for i in frame))
        switches += max(0, len(mine) - 1) + len(of_people & set(mine))
        of_people |= set(mine)
    everybody = {i for frame in ids for i in frame}
    return {'tracks': len(everybody), 'switches': switches, 'broken': broken,
            'strangers': len(everybody - of_people)}


def crowd(count: int, step: int) -> Detections:
    """Boxes in rows that walk to the right, two pixels a frame."""
    left = np.array([[80 * (k % 10) + 2 * step, 150 * (k // 10)] for k in range(count)])
    return Detections(np.hstack([left, left + (50, 120)]).astype(np.float32),
                      np.full(count, 0.9, np.float32), np.zeros(count, np.int64), ('person',))


def cost_ms(count: int, frames: int = 300) -> tuple[float, float]:
    """Median and 95th percentile, milliseconds, of one frame with `count` boxes."""
    tracker, times = Tracker(), []
    for step in range(frames):
        found = crowd(count, step)
        start_s = time.perf_counter()
        tracker.update(found, step / 30, THRESHOLD)
        times.append(1000 * (time.perf_counter() - start_s))
    return float(np.median(times)), float(np.percentile(times, 95))


def main() -> None:
    """Print the tables of docs/speech.md."""
    words = argparse.ArgumentParser(prog='python -m bench.tracks', description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument('--model', nargs='*', default=['person', str(FOREIGN)])
    words.add_argument('--video', default=str(VIDEO))
    options = words.parse_args()
    print('| detector | tracks (6 are right) | switches | frames without a number | strangers |')
    print('| --- ' * 5 + '|')
    for model in options.model:
        figures = faults(ids_of(detections_of(model, options.video)))
        print(f'| {Path(find_model(model)).stem} | ' + ' | '.join(map(str, figures.values()))
              + ' |', flush=True)
    print('\n| boxes | ms a frame, median | 95th percentile |\n| --- | --- | --- |')
    for count in (1, 10, 50):
        print('| {} | {:.2f} | {:.2f} |'.format(count, *cost_ms(count)))


if __name__ == '__main__':
    main()
