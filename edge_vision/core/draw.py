"""Draws what was found onto a copy of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import cv2
from edge_vision.core.detections import Detections
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
# Okabe and Ito's palette (2008), told apart by colour-blind people too; as BGR
PALETTE = ((115, 158, 0), (0, 159, 230), (233, 180, 86), (167, 121, 204), (0, 94, 213),
           (178, 114, 0), (66, 228, 240))
DARK, LIGHT = (24, 24, 24), (255, 255, 255)
FINGERTIP = PALETTE[6]


@dataclass(frozen=True)
class Extras:
    """What is drawn beside the boxes; what is None or empty is left out."""

    rate_hz: Optional[float] = None
    gesture: str = ''
    fingertip_xy: Optional[Tuple[float, float]] = None
    note: str = ''
    gesture_score: Optional[float] = None


def colour_of(number: int) -> Tuple[int, int, int]:
    """Colour (blue, green, red) of a class or a track: the same number, the same colour."""
    return PALETTE[number % len(PALETTE)]


def _ink_on(colour) -> Tuple[int, int, int]:
    blue, green, red = colour
    return DARK if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else LIGHT


def _thickness(scale: float) -> int:
    return max(1, round(scale * 1.6))


def _pad(scale: float) -> int:
    return max(2, round(4 * scale))


def _strip_wh(text: str, scale: float) -> Tuple[int, int]:
    """Width and height of the strip on which `_text` writes."""
    (width, height), base = cv2.getTextSize(text, FONT, scale, _thickness(scale))
    return width + 2 * _pad(scale), height + base + 2 * _pad(scale)


def _text(picture, text: str, x: int, y: int, scale: float, paper) -> int:
    """Write on a filled strip at x, y (top left), kept inside the picture; gives its height."""
    thickness, pad = _thickness(scale), _pad(scale)
    height = cv2.getTextSize(text, FONT, scale, thickness)[0][1]
    strip_w, strip_h = _strip_wh(text, scale)
    x = max(0, min(x, picture.shape[1] - strip_w))
    y = max(0, min(y, picture.shape[0] - strip_h))
    cv2.rectangle(picture, (x, y), (x + strip_w, y + strip_h), paper, cv2.FILLED)
    cv2.putText(picture, text, (x + pad, y + pad + height), FONT, scale, _ink_on(paper),
                thickness, cv2.LINE_AA)
    return strip_h


def _ascii(text: str) -> str:
    # OpenCV's fonts know no other letters and would draw question marks for each byte
    return text.encode('ascii', 'replace').decode()


def draw(bgr: np.ndarray, detections: Optional[Detections], extras: Extras = Extras()
         ) -> np.ndarray:
    """
    Give a copy of bgr (H, W, 3) with boxes, class, score, track, gesture and rate drawn.

    detections: in pixels of bgr, or None where nobody looked at this frame.
    """
    picture = bgr.copy()
    long_side = max(picture.shape[:2])
    scale, line = max(0.4, long_side / 1100), max(2, round(long_side / 320))
    if detections is None:
        detections = Detections.empty()
    for row in range(len(detections)):
        x0, y0, x1, y1 = (int(round(float(v))) for v in detections.xyxy[row])
        track = detections.track(row)
        colour = colour_of(int(detections.class_index[row]) if track is None else track)
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, line)
        name = _ascii(detections.name(row)) + ('' if track is None else f' #{track}')
        label = f'{name} {100 * float(detections.scores[row]):.0f}%'
        height = cv2.getTextSize(label, FONT, scale, 1)[0][1]
        _text(picture, label, x0 - line // 2, y0 - round(2.1 * height), scale, colour)
    # at the foot: the heads of people and the names of boxes are at the top
    y = picture.shape[0]
    if extras.note:
        y -= _text(picture, _ascii(extras.note), 0, y - round(36 * scale), scale, DARK)
    if extras.gesture:
        y -= _gesture(picture, extras, y, 1.3 * scale)
    if extras.rate_hz is not None:
        text = f'{extras.rate_hz:.0f} frames/s'
        y -= _text(picture, text, 0, y - round(36 * scale), scale, DARK)
    if extras.fingertip_xy is not None:  # last, as all else may stand in its way
        _cross_hair(picture, extras.fingertip_xy, scale, line)
    return picture


def _cross_hair(picture, xy: Tuple[float, float], scale: float, line: int) -> None:
    """Mark a point and leave it free to be seen; light on dark, for any background."""
    x, y = (int(round(v)) for v in xy)
    inner, outer = 3 * line, 9 * line
    for colour, width in ((DARK, line + 2), (FINGERTIP, line)):
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            cv2.line(picture, (x + inner * dx, y + inner * dy), (x + outer * dx, y + outer * dy),
                     colour, width, cv2.LINE_AA)
        cv2.circle(picture, (x, y), 5 * line, colour, width, cv2.LINE_AA)
    # beside it, where there is room
    width, height = _strip_wh('fingertip', scale)
    left = x + outer if x + outer + width <= picture.shape[1] else x - outer - width
    top = y + inner if y + inner + height <= picture.shape[0] else y - inner - height
    _text(picture, 'fingertip', left, top, scale, FINGERTIP)


def _gesture(picture, extras: Extras, foot: int, scale: float) -> int:
    """Write the gesture above y = foot, its score as a bar under it; gives the height of both."""
    text, score = _ascii(extras.gesture).replace('_', ' '), extras.gesture_score
    if score is None:
        return _text(picture, text, 0, foot - _strip_wh(text, scale)[1], scale, DARK)
    text += f' {100 * score:.0f}%'
    (width, height), bar = _strip_wh(text, scale), max(4, round(8 * scale))
    top = foot - bar
    _text(picture, text, 0, top - height, scale, DARK)
    cv2.rectangle(picture, (0, top), (width, foot - 1), DARK, cv2.FILLED)
    reach = round(min(1.0, max(0.0, score)) * width)
    cv2.rectangle(picture, (0, top), (reach, foot - 1), PALETTE[0], cv2.FILLED)
    return height + bar
