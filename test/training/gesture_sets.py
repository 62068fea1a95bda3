"""Small sets of pictures in which anything that learns finds the gesture, or the point."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from training.gesture.settings import Settings

SIDE_WH = (80, 60)
CLASSES = ('down', 'none', 'up')
QUICK = Settings(
    epochs=3,
    batch=8,
    size=64,
    start_size=64,
    width=8,
    warmup_steps=2,
    repeat=1,
    val_every=1,
    average_decay=0.5,
    precision='float32',
)


def noise(rng: np.random.Generator) -> np.ndarray:
    """Make a dark background."""
    return rng.integers(0, 60, (SIDE_WH[1], SIDE_WH[0], 3), dtype=np.uint8)


def make_classes(folder: Path, count: int, seed: int = 0) -> Path:
    """Write FOLDER/CLASS/clip_NN.png: a bright bar in the lower half, nowhere, the upper half."""
    rng = np.random.default_rng(seed)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            bgr = noise(rng)
            if name != 'none':
                top = 6 if name == 'up' else 40
                bgr[top : top + 14, 20:60] = 255
            cv2.imwrite(str(folder / name / f'clip_{number:02d}.png'), bgr)
    return folder


def make_points(folder: Path, count: int, seed: int = 0, box: bool = False) -> Path:
    """Write FOLDER/tips.csv and tips/NN.png: a red dot `left` and a green one `right`."""
    rng = np.random.default_rng(seed)
    (folder / 'tips').mkdir(parents=True)
    rows = []
    for number in range(count):
        bgr, row = noise(rng), {'file': f'{number:02d}.png'}
        for name, colour, low in (('left', (0, 0, 255), 0.15), ('right', (0, 255, 0), 0.55)):
            x, y = rng.uniform(low, low + 0.3), rng.uniform(0.2, 0.8)
            cv2.circle(bgr, (int(x * SIDE_WH[0]), int(y * SIDE_WH[1])), 5, colour, -1)
            row |= {f'{name}_x': f'{x:.5f}', f'{name}_y': f'{y:.5f}'}
        if box:
            row |= {'hand_x0': '0.05', 'hand_y0': '0.1', 'hand_x1': '0.95', 'hand_y1': '0.9'}
        cv2.imwrite(str(folder / 'tips' / row['file']), bgr)
        rows.append(row)
    file = folder / 'tips.csv'
    with open(file, 'w', newline='', encoding='utf-8') as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file
