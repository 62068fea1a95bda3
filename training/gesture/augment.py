"""
Make training pictures: moved, turned, scaled, flipped, recoloured, covered in part.

A flip is not innocent. A picture upside down shows another gesture: thumbs up become thumbs down;
side by side it may do so too (pointing left). `Flips` says what becomes of each label; points move
with the picture, and may change names alike (left and right eye).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

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

    calm: float = 0.3  # share of pictures that are shown nearly as they are
    scale: tuple[float, float] = (0.55, 1.5)
    stretch: float = 0.25  # greatest change of the aspect
    turn_deg: float = 30.0  # greatest turn to either side
    shift: float = 0.15  # beyond what keeps the picture's part in view, share of the side
    flip: float = 0.5  # chance of left for right
    upside_down: float = 0.5  # chance, where Flips allows it
    cover: float = 0.35  # chance that a part is covered
    jpeg: float = 0.15  # chance of compression's blocks
    close_up: float = 0.3  # chance that a hand with a box is shown close up
    transplant: float = 0.35  # chance that it is cut out and shown elsewhere
    hand: tuple[float, float] = (0.22, 0.85)  # its long side then, as a share of the picture's
    colours: Colours = field(default_factory=Colours)


WILD = Strength()
MILD = Strength(
    scale=(0.75, 1.3),
    stretch=0.15,
    turn_deg=15,
    shift=0.08,
    cover=0.1,
    close_up=0.15,
    transplant=0.2,
)


CALM: dict[str, Any] = {'scale': (0.9, 1.2), 'stretch': 0.1, 'turn_deg': 8, 'shift': 0.04}


@dataclass(frozen=True)
class Flips:
    """
    What a flip makes of each label: new index by old index.

    vertical is None where a picture must not be turned upside down.
    """

    horizontal: tuple[int, ...]
    vertical: tuple[int, ...] | None = None


def calmer(rng: np.random.Generator, strength: Strength) -> Strength:
    """Show some pictures nearly as they are: whole, upright, the hand where it was."""
    if rng.random() >= strength.calm:
        return strength
    return replace(strength, calm=0, close_up=0, transplant=0, upside_down=0, cover=0, **CALM)


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


@dataclass(frozen=True)
class View:
    """A picture with all that is known of it: see GestureItem; alpha: its hand's opacity."""

    bgr: np.ndarray
    class_index: int
    points: np.ndarray
    box: np.ndarray | None = None
    alpha: np.ndarray | None = None


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


def focused(
    rng: np.random.Generator,
    size_wh: tuple[int, int],
    side: int,
    strength: Strength,
    box: np.ndarray,
) -> np.ndarray:
    """Draw a map [2, 3] that shows a hand at any place and size, all of it in the picture."""
    long_side = log_uniform(rng, strength.hand)
    exact = replace(strength, scale=(long_side / (box[2:] - box[:2]).max(),) * 2)
    matrix = placement(rng, size_wh, side, exact)
    spot = moved((box[:2] + box[2:]) / 2 * size_wh, matrix)
    room = (1 - long_side) / 2
    matrix[:, 2] += side * (0.5 + rng.uniform(-room, room, 2)) - spot
    return matrix


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
    view: View,
    background: np.ndarray,
    flips: Flips,
    strength: Strength,
) -> tuple[np.ndarray, np.ndarray, int]:
    """
    Make one training picture of `background`'s size, which is square, with its points and class.

    Points that leave the picture come back as NaN.
    """
    strength = calmer(rng, strength)
    side = background.shape[0]
    size_wh = (view.bgr.shape[1], view.bgr.shape[0])
    points = view.points * np.array(size_wh)
    matrix, alpha = placed(rng, view, side, strength)
    class_index, order = view.class_index, np.arange(len(points))
    if rng.random() < strength.flip:
        matrix = flipped(matrix, side, 0)
        class_index, order = relabel(class_index, order, flips.horizontal)
    if flips.vertical is not None and rng.random() < strength.upside_down:
        matrix = flipped(matrix, side, 1)
        class_index, order = relabel(class_index, order, flips.vertical)
    spot = moved(points, matrix)[order] / side
    spot[((spot < 0) | (spot > 1)).any(1)] = np.nan
    picture: np.ndarray = warp(view.bgr, matrix, background)
    if alpha is not None:
        # In a light of its own, so that nothing but its shape tells it from what is around.
        picture = recolour(rng, picture, strength.colours)
        opacity = warp(alpha, matrix, np.zeros((side, side), np.float32))[..., None]
        picture = (picture * opacity + background * (1 - opacity)).astype(np.uint8)
    picture = recolour(rng, picture, strength.colours)
    if rng.random() < strength.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 60))]
        packed = cv2.imencode('.jpg', picture, quality)[1]
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    if rng.random() < strength.cover:
        hand = np.zeros((0, 2)) if view.box is None else view.box.reshape(2, 2).mean(0)[None]
        shown = moved(hand * size_wh, matrix) / side
        picture = covered(rng, picture, np.concatenate([spot, shown]))
    return picture, spot.astype(np.float32), class_index


def placed(
    rng: np.random.Generator, view: View, side: int, strength: Strength
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw the map of a picture; with the opacity of its hand where only that is to be seen."""
    size_wh = (view.bgr.shape[1], view.bgr.shape[0])
    kind = rng.random()
    if view.box is not None and view.alpha is not None:
        if kind < strength.transplant:
            return focused(rng, size_wh, side, strength, view.box), view.alpha
        if kind < strength.transplant + strength.close_up:
            return focused(rng, size_wh, side, strength, view.box), None
    keep = view.points
    if view.box is not None:
        keep = np.concatenate([keep, view.box.reshape(2, 2)])
    keep = keep[np.isfinite(keep).all(1)] * np.array(size_wh)
    for _ in range(TRIES):
        matrix = placement(rng, size_wh, side, strength)
        spot = moved(keep, matrix)
        if np.all((spot >= 0) & (spot <= side)):
            return matrix, None
    # Still something outside: moved just far enough.
    low, high = spot.min(0), spot.max(0)
    matrix[:, 2] += np.maximum(-low, 0) + np.minimum(side - high, 0)
    return matrix, None


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
    np.copyto(hole, rng.integers(0, 256, (3,) if rng.random() < 0.5 else hole.shape, np.uint8))
    return result
