"""When a gesture counts: it has to stay for a while; the clock is an argument."""

from __future__ import annotations

from typing import Optional

NONE = 'none'  # the settled gesture while there is none
ABSENT = ('', NONE, 'no_gesture')  # names of classes that mean that there is none
LEAP_S = 2.0  # between two looks, after which nobody knows what was in between
LEAP_LOOKS = 2.5  # the same where looks are rare, in looks
ROUNDING_S = 1e-6  # of stamps as floating point numbers


def is_gesture(label: str) -> bool:
    """Tell whether a class is a gesture, and not the absence of one."""
    return label.strip().lower() not in ABSENT


def leap_s_at(rate_hz: float, look_s: float = 0.0) -> float:
    """
    Give the pause between looks, seconds, after which nothing is known of what was between.

    rate_hz: of the looks that are wanted; look_s: how long one takes on this machine.
    """
    return max(LEAP_S, LEAP_LOOKS * max(1 / rate_hz, look_s))


class Steady:
    """
    Settles on a gesture that was the best at every look for some time.

    `settled` is its name, NONE at the start. A doubtful look counts as NONE, and NONE has to
    stay for as long as a gesture to count, so that one bad look ends nothing. Where the time leaps
    or goes back (a camera that was away, a clock that was set), what was seen before is no proof
    of anything, and a gesture has to stay anew; the settled one stays until another has.
    """

    def __init__(self):
        """Start with no gesture."""
        self.settled = NONE
        self._candidate = NONE
        self._since_s: Optional[float] = None
        self._last_s = 0.0

    def update(self, label: str, is_sure: bool, now_s: float, stable_s: float,
               leap_s: float = LEAP_S) -> Optional[str]:
        """
        Take the best class of one look; gives the gesture that is settled now, None where none is.

        is_sure: its score reaches the threshold. now_s: when the picture came, by any clock.
        stable_s: how long a gesture has to stay. leap_s: a longer pause breaks the proof.
        """
        seen = label if is_sure and is_gesture(label) else NONE
        unbroken = self._since_s is not None and 0 <= now_s - self._last_s <= leap_s
        if not unbroken or seen != self._candidate:
            self._candidate, self._since_s = seen, now_s
        self._last_s = now_s
        if seen == self.settled or now_s - (self._since_s or 0.0) < stable_s - ROUNDING_S:
            return None
        self.settled = seen
        return seen

    def forget(self) -> Optional[str]:
        """Know nothing any more, as pictures have ended; gives NONE where that is a change."""
        changed = self.settled != NONE
        self.settled, self._since_s = NONE, None
        return NONE if changed else None
