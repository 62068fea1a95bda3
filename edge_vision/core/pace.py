"""Which frames are looked at, where not all are."""

from __future__ import annotations

from typing import Optional

EARLY = 0.2  # share of a period by which a frame may come too early, as cameras are not exact


class Pace:
    """
    Chooses frames so that there are at most rate_hz of them in a second, evenly.

    A frame that comes counts at once and none is waited for, so that the newest is looked at.
    """

    def __init__(self):
        """Start with the first frame due."""
        self._next_s: Optional[float] = None

    def due(self, now_s: float, rate_hz: float) -> bool:
        """Tell whether the frame that comes now is to be looked at; now_s: a growing clock."""
        period_s = 1 / rate_hz
        if self._next_s is None or abs(self._next_s - now_s) > 2 * period_s:
            self._next_s = now_s  # the first, or the rate has changed, or none came for long
        if now_s < self._next_s - EARLY * period_s:
            return False
        self._next_s += period_s
        if self._next_s < now_s:
            self._next_s = now_s + period_s
        return True
