"""When a gesture counts: it has to stay for a while; the clock is an argument."""

from __future__ import annotations

from typing import Optional

NONE = 'none'  # the settled gesture while there is none
ABSENT = ('', NONE, 'no_gesture')  # names of classes that mean that there is none
SILENCE_S = 2.0  # without a picture, after which nobody knows what a hand does
SILENCE_LOOKS = 2.5  # the same where looks are rare, in looks
ROUNDING_S = 1e-6  # of stamps as floating point numbers


def is_gesture(label: str) -> bool:
    """Tell whether a class is a gesture, and not the absence of one."""
    return label.strip().lower() not in ABSENT


def silence_s_at(rate_hz: float) -> float:
    """Give the time without pictures, seconds, that ends a gesture; rate_hz: of the looks."""
    return max(SILENCE_S, SILENCE_LOOKS / rate_hz)


class Steady:
    """
    Settles on a gesture that was the best at every look for some time.

    `settled` is its name, NONE at the start. A doubtful look counts as NONE, and NONE has to
    stay for as long as a gesture to count, so that one bad look ends nothing. Looks may be as rare
    as a slow machine makes them; where pictures have ended, call `forget`. Where the time goes
    back, a gesture has to stay anew, and the settled one stays until another has.
    """

    def __init__(self):
        """Start with no gesture."""
        self.settled = NONE
        self._candidate = NONE
        self._since_s: Optional[float] = None
        self._last_s = 0.0

    def update(self, label: str, is_sure: bool, now_s: float, stable_s: float) -> Optional[str]:
        """
        Take the best class of one look; gives the gesture that is settled now, None where none is.

        is_sure: its score reaches the threshold. now_s: when the picture came, by any clock.
        stable_s: how long a gesture has to stay.
        """
        seen = label if is_sure and is_gesture(label) else NONE
        if self._since_s is None or now_s < self._last_s or seen != self._candidate:
            self._candidate, self._since_s = seen, now_s
        self._last_s = now_s
        if seen == self.settled or now_s - self._since_s < stable_s - ROUNDING_S:
            return None
        self.settled = seen
        return seen

    def forget(self) -> Optional[str]:
        """Know nothing any more, as pictures have ended; gives NONE where that is a change."""
        changed = self.settled != NONE
        self.settled, self._since_s = NONE, None
        return NONE if changed else None
