"""
Make training pictures: grids of pictures at random scales, flips, colour, blur, low light.

Everything is drawn from one numpy generator for each sample, seeded by (seed, epoch, index), so
that a run that is killed and resumed sees the same pictures as one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
from edge_vision.core.letterbox import PADDING
import numpy as np
from training.patches import add_piece, area, Sample

LEAST_VISIBLE = 0.3  # share of a box that must be in the picture for it to stay a label
LARGE = 0.12  # or share of the picture that what is left of it must fill
CLOSE_UP_SIDE = 40  # pixels; smaller objects are too coarse to be shown close up
CLOSE_UP_SCALE = (0.55, 1.7)  # long side of an object close up, against the picture's
EMPTY_CELLS = 0.25  # share of a grid's pictures that show no object
EMPTY_PIECES = 0.5  # the same of the pieces pasted on
EMPTY_FIRST = 0.12  # the same of single pictures
LEAST_SIDE = 4.0  # pixels; smaller boxes (geometric mean of the sides) become doubtful


@dataclass(frozen=True)
class Strength:
    """How strongly to augment; the share of plain pictures rises towards the end of a training."""

    grids: tuple[float, ...] = (0.35, 0.4, 0.17, 0.08)  # chance of 1x1, 2x2, 3x3 and 4x4 pictures
    scale: tuple[float, float] = (0.55, 1.8)  # of a single picture against the whole
    scale_in_grid: tuple[float, float] = (0.75, 2.0)  # of a picture against its cell
    close_up: float = 0.3  # chance that a single picture shows an object close up
    stretch: float = 0.2  # greatest change of a picture's aspect
    pieces: float = 1.5  # mean number of pieces of other pictures, pasted on
    colour: float = 0.8  # chance
    blur: float = 0.12  # chance
    dark: float = 0.12  # chance
    grey: float = 0.05  # chance


FINAL = Strength(grids=(0.6, 0.28, 0.08, 0.04), scale=(0.6, 1.5), stretch=0.1, pieces=0.8)

Draw = Callable[[np.random.Generator, float], Sample]


def compose(
    rng: np.random.Generator, first: Sample, draw: Draw, size: int, strength: Strength
) -> Sample:
    """
    Make one training picture of size x size, with `first` in it.

    `draw(rng, share)` gives any Sample of the set, and one without objects with chance `share`.
    The picture is cut into a grid at uneven places, and each cell shows a part of another one.
    """
    grid = 1 + int(rng.choice(len(strength.grids), p=strength.grids))
    scales = strength.scale if grid == 1 else strength.scale_in_grid
    if grid == 1:
        first = draw(rng, 1.0) if rng.random() < EMPTY_FIRST else first
    canvas = np.full((size, size, 3), PADDING, np.uint8)
    columns, rows = cuts(rng, grid, size), cuts(rng, grid, size)
    chosen = int(rng.integers(grid * grid))
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            sample = first if len(parts) == chosen else draw(rng, EMPTY_CELLS)
            cell_wh = right - left, bottom - top
            tile, xyxy, weight = place(
                rng, sample, cell_wh, scales, strength.stretch, strength.close_up / grid**2
            )
            canvas[top:bottom, left:right] = tile
            parts.append((xyxy + np.array((left, top) * 2, np.float32), sample[2], weight))
    xyxy, class_index, weight = (np.concatenate(part) for part in zip(*parts))
    picture = canvas, xyxy, class_index, weight
    for _ in range(int(rng.poisson(strength.pieces))):
        picture = add_piece(rng, picture, draw(rng, EMPTY_PIECES))
    canvas, xyxy, class_index, weight = picture
    side = np.sqrt(area(xyxy))
    weight = np.where(side < LEAST_SIDE, 0.0, weight).astype(np.float32)
    keep = side > 0
    return recolour(rng, canvas, strength), xyxy[keep], class_index[keep], weight[keep]


def cuts(rng: np.random.Generator, grid: int, size: int) -> list[int]:
    """Places at which to cut `size` pixels into `grid` uneven parts, with both ends."""
    share = rng.uniform(0.6, 1.4, grid)
    return [0, *(round(v) for v in np.cumsum(share / share.sum())[:-1] * size), size]


def place(
    rng: np.random.Generator,
    sample: Sample,
    cell_wh: tuple[int, int],
    scales: tuple[float, float],
    stretch: float,
    close_up: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Show a part of a picture, flipped and scaled, in a cell; with chance `close_up` an object.

    Returns the cell's pixels, the boxes in it, and their weights: 0 where too little is seen.
    """
    bgr, xyxy, _, weight = sample
    cell_w, cell_h = cell_wh
    height, width = bgr.shape[:2]
    aspect = float(np.exp(rng.uniform(-stretch, stretch) / 2))
    scale = min(cell_w / width, cell_h / height) * log_uniform(rng, scales)
    large = np.flatnonzero((weight > 0.5) & ((xyxy[:, 2:] - xyxy[:, :2]).max(1) >= CLOSE_UP_SIDE))
    target = None
    if len(large) and rng.random() < close_up:
        target = xyxy[rng.choice(large)]
        scale = max(cell_wh) / (target[2:] - target[:2]).max() * log_uniform(rng, CLOSE_UP_SCALE)
    new_w, new_h = max(8, round(width * scale * aspect)), max(8, round(height * scale / aspect))
    zoom = np.array([new_w / width, new_h / height] * 2, np.float32)
    interpolation = cv2.INTER_AREA if new_w < width else cv2.INTER_LINEAR
    bgr, xyxy = cv2.resize(bgr, (new_w, new_h), interpolation=interpolation), xyxy * zoom
    x, y = offset(rng, new_w, cell_w), offset(rng, new_h, cell_h)
    if target is not None:
        x = towards(rng, new_w, cell_w, target[[0, 2]] * zoom[0], (0.3, 0.7))
        y = towards(rng, new_h, cell_h, target[[1, 3]] * zoom[1], (0.2, 0.6))
    tile = np.full((cell_h, cell_w, 3), PADDING, np.uint8)
    part = bgr[max(-y, 0) : cell_h - y, max(-x, 0) : cell_w - x]
    tile[max(y, 0) : y + new_h, max(x, 0) : x + new_w] = part
    moved = xyxy + np.array((x, y) * 2, np.float32)
    cut = np.clip(moved, 0, np.array(cell_wh * 2, np.float32))
    enough = (area(cut) >= LEAST_VISIBLE * area(moved)) | (area(cut) >= LARGE * cell_w * cell_h)
    weight = np.where(enough, weight, 0.0)
    if rng.random() < 0.5:
        tile = tile[:, ::-1]
        cut = np.stack([cell_w - cut[:, 2], cut[:, 1], cell_w - cut[:, 0], cut[:, 3]], 1)
    return tile, cut, weight


def log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw a factor, as likely to halve as to double."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def offset(rng: np.random.Generator, length: int, room: int) -> int:
    """Place a length in a room: anywhere in it when it fits, else so that it fills it."""
    low, high = sorted((0, room - length))
    return int(rng.integers(low, high + 1))


def towards(
    rng: np.random.Generator, length: int, room: int, span: np.ndarray, share: tuple[float, float]
) -> int:
    """Place a length so that a point within its `span` is in the middle, but still fill it."""
    point = span[0] + rng.uniform(*share) * (span[1] - span[0])
    low, high = sorted((0, room - length))
    return int(np.clip(round(room / 2 - point), low, high))


def recolour(rng: np.random.Generator, bgr: np.ndarray, strength: Strength) -> np.ndarray:
    """
    Change hue, saturation, brightness and contrast.

    Sometimes also blur, darken with noise, or take the colour away.
    """
    if rng.random() < strength.colour:
        gain = rng.uniform(0.7, 1.35) * rng.uniform(0.88, 1.12, 3)
        lift = rng.uniform(-25, 25)
        table = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)[None]
        bgr = cv2.LUT(bgr, np.ascontiguousarray(table))
        saturation = rng.uniform(0.5, 1.5)
        grey = cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        bgr = cv2.addWeighted(bgr, saturation, grey, 1 - saturation, 0)
    if rng.random() < strength.grey:
        bgr = cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < strength.blur:
        bgr = cv2.GaussianBlur(bgr, (0, 0), rng.uniform(0.5, 1.6))
    if rng.random() < strength.dark:
        noise = rng.normal(0, rng.uniform(2, 8), bgr.shape).astype(np.float32)
        bgr = np.clip(bgr * np.float32(rng.uniform(0.2, 0.6)) + noise, 0, 255).astype(np.uint8)
    return bgr
