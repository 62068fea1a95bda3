"""Lines that wait to be spoken: few, the most important first, and none that is old news."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
import threading
import time
from typing import Callable, List, Optional

from edge_vision.core.speech.events import Event

URGENT, SAY, GESTURE, PEOPLE = range(4)  # the smaller, the more important
NAMES = ('urgent', 'say', 'gesture', 'people')
MOST_WAITING = 16
NEWS_S = 2.0  # gestures and people are dropped unsaid when they are older
BREATH_S = 0.1  # so long people wait for others who come with them


@dataclass(frozen=True)
class Line:
    """Something to say: a text, or an event that becomes a sentence together with others."""

    kind: int
    born_s: float
    text: str = ''
    event: Optional[Event] = None


class SpeechQueue:
    """
    A bounded queue in front of the one who speaks; `put` never waits.

    Order: urgent lines, the newest first; then `say`, gestures and people, the oldest first. When
    it is full the least important goes, of those the oldest, and is counted. `interrupted` is set
    while an urgent line waits: what is being said should end.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """Start empty; clock gives growing seconds."""
        self._clock = clock
        self._ready = threading.Condition()
        self._lines: List[Line] = []
        self._closed = False
        self.interrupted = threading.Event()
        self.dropped: Counter = Counter()  # by name of the kind: the queue was full
        self.stale = 0  # old news

    def __len__(self):
        """Count what waits."""
        with self._ready:
            return len(self._lines)

    def put(self, line: Line) -> None:
        """Take a line, whatever has to go for it."""
        with self._ready:
            if self._closed:
                return
            self._lines.append(line)
            if len(self._lines) > MOST_WAITING:
                least = max(self._lines, key=lambda one: (one.kind, -one.born_s))
                self._lines.remove(least)
                self.dropped[NAMES[least.kind]] += 1
            if line.kind == URGENT:
                self.interrupted.set()
            self._ready.notify()

    def take(self, timeout_s: float) -> List[Line]:
        """
        Wait for what is to be said next: one line, or all people of one breath.

        Gives [] when the time is over. Forgets the interruption: it has been obeyed.
        """
        end_s = time.monotonic() + timeout_s
        with self._ready:
            while not self._closed:
                self._drop_old()
                lines, wait_s = self._next()
                if lines:
                    for line in lines:
                        self._lines.remove(line)
                    self.interrupted.clear()
                    return lines
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    return []
                self._ready.wait(left_s if wait_s is None else min(left_s, wait_s))
            return []

    def _drop_old(self) -> None:
        oldest_s = self._clock() - NEWS_S
        fresh = [one for one in self._lines if one.kind in (URGENT, SAY) or one.born_s >= oldest_s]
        self.stale += len(self._lines) - len(fresh)
        self._lines = fresh

    def _next(self):
        """Give the lines that come next, or for how many seconds they shall still wait."""
        if not self._lines:
            return [], None
        kind = min(one.kind for one in self._lines)
        lines = [one for one in self._lines if one.kind == kind]
        if kind == URGENT:
            return [lines[-1]], None
        if kind != PEOPLE:
            return [lines[0]], None
        wait_s = lines[0].born_s + BREATH_S - self._clock()
        return ([], max(wait_s, 0.001)) if wait_s > 0 else (lines, None)

    def clear(self) -> None:
        """Forget all that waits, and end what is being said."""
        with self._ready:
            self._lines = []
            self.interrupted.set()

    def close(self) -> None:
        """Wake up who waits; nothing is taken any more."""
        with self._ready:
            self._closed = True
            self._lines = []
            self.interrupted.set()
            self._ready.notify_all()
