"""What the announcer has to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

ARRIVED, LEFT = 'arrived', 'left'
MIDDLE = (0.36, 0.64)  # shares of the picture's width between which something is ahead
FAR, NEAR = 0.35, 0.7  # shares of the picture's height that a person's box fills


@dataclass(frozen=True)
class Event:
    """
    Somebody or something came or went.

    kind: ARRIVED or LEFT. name: of the class. where: 'left', 'ahead', 'right', and near: 'near',
    'middle', 'far'; both '' where the size of the picture is unknown. total: how many of the
    class are there now. born_s: the clock's seconds.
    """

    kind: str
    name: str
    total: int
    born_s: float
    where: str = ''
    near: str = ''


def place_of(xyxy, size_wh: Optional[Tuple[int, int]]) -> Tuple[str, str]:
    """Tell where and how near a box is, in a picture of size_wh pixels, as Event has them."""
    if size_wh is None:
        return '', ''
    x0, y0, x1, y1 = (float(v) for v in xyxy)
    centre, share = (x0 + x1) / 2 / size_wh[0], (y1 - y0) / size_wh[1]
    where = 'left' if centre < MIDDLE[0] else 'right' if centre > MIDDLE[1] else 'ahead'
    return where, 'far' if share < FAR else 'near' if share >= NEAR else 'middle'
