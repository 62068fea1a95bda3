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


@dataclass(frozen=True)
class Extras:
    """What is drawn beside the boxes; what is None or empty is left out."""

    rate_hz: Optional[float] = None
    gesture: str = ''
    fingertip_xy: Optional[Tuple[float, float]] = None
    note: str = ''


def colour_of(number: int) -> Tuple[int, int, int]:
    """Colour (blue, green, red) of a class or a track: the same number, the same colour."""
    return PALETTE[number % len(PALETTE)]


def _ink_on(colour) -> Tuple[int, int, int]:
    blue, green, red = colour
    return DARK if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else LIGHT


def _text(picture, text: str, x: int, y: int, scale: float, paper) -> int:
    """Write on a filled strip at x, y (top left), kept inside the picture; gives its height."""
    thickness = max(1, round(scale * 1.6))
    (width, height), base = cv2.getTextSize(text, FONT, scale, thickness)
    pad = max(2, round(4 * scale))
    strip_w, strip_h = width + 2 * pad, height + base + 2 * pad
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
    if extras.fingertip_xy is not None:
        centre = tuple(int(round(v)) for v in extras.fingertip_xy)
        cv2.circle(picture, centre, 4 * line, LIGHT, line, cv2.LINE_AA)
        cv2.circle(picture, centre, 2 * line, PALETTE[4], cv2.FILLED, cv2.LINE_AA)
    # at the foot: the heads of people and the names of boxes are at the top
    y = picture.shape[0]
    for text in (_ascii(extras.note), _ascii(extras.gesture),
                 '' if extras.rate_hz is None else f'{extras.rate_hz:.0f} frames/s'):
        if text:
            y -= _text(picture, text, 0, y - round(36 * scale), scale, DARK)
    return picture
