"""
Make training pictures: moved, turned, scaled, flipped, recoloured, covered in part.

A flip is not innocent. A picture upside down shows another gesture: thumbs up become thumbs down;
side by side it may do so too (pointing left). `Flips` says what becomes of each label; points move
with the picture, and may change names alike (left and right eye).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from edge_vision.core.errors import UserError
import numpy as np
from training.augment import log_uniform, recolour
from training.augment import Strength as Colours

TRIES = 6  # draws of a place that keeps all points in the picture
HIGHEST_SHRINK = 2.0  # a warp skips pixels where it shrinks more: then the picture is halved first
NEAR = 0.08  # of the side; nothing is pasted nearer to a point


@dataclass(frozen=True)
class Strength:
    """How strongly to augment."""

    scale: tuple[float, float] = (0.55, 1.5)
    stretch: float = 0.25  # greatest change of the aspect
    turn_deg: float = 30.0  # greatest turn to either side
    shift: float = 0.15  # beyond what keeps the picture's part in view, share of the side
    flip: float = 0.5  # chance of left for right
    upside_down: float = 0.5  # chance, where Flips allows it
    cover: float = 0.35  # chance that a part is covered
    jpeg: float = 0.15  # chance of compression's blocks
    colours: Colours = Colours()


WILD = Strength()
MILD = Strength(scale=(0.75, 1.3), stretch=0.15, turn_deg=15, shift=0.08, cover=0.1)


@dataclass(frozen=True)
class Flips:
    """
    What a flip makes of each label: new index by old index.

    vertical is None where a picture must not be turned upside down.
    """

    horizontal: tuple[int, ...]
    vertical: tuple[int, ...] | None = None


def read_pairs(text: str, labels: tuple[str, ...], option: str) -> tuple[int, ...]:
    """Read pairs such as `thumb_up=thumb_down,left=right`; unnamed labels stay what they are."""
    index = list(range(len(labels)))
    for part in (p.strip() for p in text.split(',') if p.strip()):
        names = [name.strip() for name in part.split('=')]
        unknown = [name for name in names if name not in labels]
        if len(names) != 2 or unknown:
            raise UserError(
                f"{option} has '{part}'; pairs such as"
                f' {labels[0]}={labels[-1]} of {", ".join(labels)} would do.'
            )
        a, b = (labels.index(name) for name in names)
        index[a], index[b] = b, a
    return tuple(index)


def make_flips(labels: tuple[str, ...], horizontal: str = '', vertical: str = '') -> Flips:
    """Make the Flips of the options --horizontal-pairs and --vertical-pairs."""
    upside_down = read_pairs(vertical, labels, '--vertical-pairs') if vertical else None
    return Flips(read_pairs(horizontal, labels, '--horizontal-pairs'), upside_down)


def placement(
    rng: np.random.Generator, size_wh: tuple[int, int], side: int, strength: Strength
) -> np.ndarray:
    """Draw a map [2, 3] from a picture's coordinates to those of side x side pixels, unflipped."""
    width, height = size_wh
    angle = np.deg2rad(rng.uniform(-strength.turn_deg, strength.turn_deg))
    scale = log_uniform(rng, strength.scale)
    aspect = float(np.exp(rng.uniform(-strength.stretch, strength.stretch) / 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Turned at the picture's true aspect, then stretched to the square.
    linear = np.diag([side / width * aspect, side / height / aspect]) @ turn * scale
    room = abs(1 - scale) / 2 + strength.shift
    centre = side * (0.5 + rng.uniform(-room, room, 2))
    return np.concatenate([linear, (centre - linear @ (width / 2, height / 2))[:, None]], 1)


def flipped(matrix: np.ndarray, side: int, axis: int) -> np.ndarray:
    """Mirror what a map gives: axis 0 swaps left and right, 1 top and bottom."""
    result = matrix.copy()
    result[axis] *= -1
    result[axis, 2] += side
    return result


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a map [2, 3] to points [P, 2]."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def warp(bgr: np.ndarray, matrix: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Show a picture through a map of continuous coordinates, over the picture `onto`."""
    shrink = 1 / max(1e-6, float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    if shrink > HIGHEST_SHRINK:
        small_wh = [max(1, round(n * HIGHEST_SHRINK / shrink)) for n in bgr.shape[1::-1]]
        zoom = np.array(bgr.shape[1::-1]) / small_wh
        bgr = cv2.resize(bgr, small_wh, interpolation=cv2.INTER_AREA)
        matrix = np.concatenate([matrix[:, :2] * zoom, matrix[:, 2:]], 1)
    # OpenCV counts from the middle of the first pixel.
    by_index = matrix.copy()
    by_index[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(
        bgr,
        by_index,
        onto.shape[1::-1],
        dst=onto.copy(),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def augmented(
    rng: np.random.Generator,
    bgr: np.ndarray,
    points: np.ndarray,
    class_index: int,
    background: np.ndarray,
    flips: Flips,
    strength: Strength,
) -> tuple[np.ndarray, np.ndarray, int]:
    """
    Make one training picture of `background`'s size, which is square.

    points: [P, 2] in 0..1; those that leave the picture come back as NaN.
    """
    side = background.shape[0]
    size_wh = (bgr.shape[1], bgr.shape[0])
    absolute = points * np.array(size_wh)
    for _ in range(TRIES):
        matrix = placement(rng, size_wh, side, strength)
        spot = moved(absolute, matrix)
        if np.all((spot >= 0) & (spot <= side) | np.isnan(spot)):
            break
    order = np.arange(len(points))
    if rng.random() < strength.flip:
        matrix = flipped(matrix, side, 0)
        class_index, order = relabel(class_index, order, flips.horizontal)
    if flips.vertical is not None and rng.random() < strength.upside_down:
        matrix = flipped(matrix, side, 1)
        class_index, order = relabel(class_index, order, flips.vertical)
    spot = moved(absolute, matrix)[order] / side
    spot[((spot < 0) | (spot > 1)).any(1)] = np.nan
    picture = warp(bgr, matrix, background)
    picture = recolour(rng, picture, strength.colours)
    if rng.random() < strength.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))]
        picture = cv2.imdecode(cv2.imencode('.jpg', picture, quality)[1], cv2.IMREAD_COLOR)
    if rng.random() < strength.cover:
        picture = covered(rng, picture, spot)
    return picture, spot.astype(np.float32), class_index


def relabel(
    class_index: int, order: np.ndarray, new_index: tuple[int, ...]
) -> tuple[int, np.ndarray]:
    """Apply a flip's change of names to a class, and to the order of points."""
    if class_index >= 0:
        return new_index[class_index], order
    return class_index, order[list(new_index)]


def covered(rng: np.random.Generator, bgr: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Cover a rectangle with one colour, or with noise, but not next to a point."""
    side = bgr.shape[0]
    w, h = rng.uniform(0.08, 0.3, 2)
    x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
    low, high = np.array([x - NEAR, y - NEAR]), np.array([x + w + NEAR, y + h + NEAR])
    if ((points > low) & (points < high)).all(1).any():
        return bgr
    left, top, right, bottom = (round(v * side) for v in (x, y, x + w, y + h))
    result = bgr.copy()
    hole = result[top:bottom, left:right]
    hole[:] = rng.integers(0, 256, 3 if rng.random() < 0.5 else hole.shape)
    return result
