"""Decides which comings and goings are worth a word; the clock is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from edge_vision.core.detections import Detections
from edge_vision.core.speech.events import ARRIVED, Event, LEFT, place_of
import numpy as np

STEADY_S = 0.4  # somebody has to be there for so long, beside the frames that the tracker waits
GONE_S = 1.0  # and has to be away for so long
PAUSE_S = 5.0  # after a longer silence of the detector nothing is as it was
MOST_TRACKS = 200  # whatever is published: the memory stays bounded


@dataclass
class _Track:
    name: str
    first_s: float
    last_s: float
    xyxy: np.ndarray
    announced: bool = False


class Announcer:
    """
    Tells of tracks that have become steady, and of those that have gone.

    A track that takes the place of one that was lost is the same somebody, unsaid. The same news
    (coming or going, class, number there) waits for cooldown_s; what has changed back by then is
    not told at all.
    """

    def __init__(self, cooldown_s: float = 5.0, names: Sequence[str] = ()):
        """Set the pause before the same news, seconds, and the classes to tell of (empty: all)."""
        self.cooldown_s = cooldown_s
        self.names = tuple(names)
        self._tracks: Dict[int, _Track] = {}
        self._said_s: Dict[Tuple[str, str, int], float] = {}
        self._last_s: Optional[float] = None

    def update(self, found: Detections, now_s: float,
               size_wh: Optional[Tuple[int, int]] = None) -> List[Event]:
        """Take what the detector found, with tracks; gives what is to be told now."""
        if self._last_s is not None and not 0 <= now_s - self._last_s <= PAUSE_S:
            self._tracks.clear()
        self._last_s = now_s
        seen = self._see(found, now_s)
        events = [*self._comings(seen, now_s, size_wh), *self._goings(now_s)]
        self._said_s = {key: s for key, s in self._said_s.items()
                        if 0 <= now_s - s < self.cooldown_s}
        return events

    def count(self, name: str) -> int:
        """Count those of a class who were announced and are there."""
        return sum(t.announced and t.name == name for t in self._tracks.values())

    def _see(self, found: Detections, now_s: float) -> List[int]:
        seen = []
        for row in range(len(found)):
            number, name = found.track(row), found.name(row)
            if number is None or (self.names and name not in self.names):
                continue
            track = self._tracks.get(number)
            if track is None:
                if len(self._tracks) >= MOST_TRACKS:
                    continue
                self._tracks[number] = track = _Track(name, now_s, now_s, found.xyxy[row])
            track.last_s, track.xyxy = now_s, found.xyxy[row]
            seen.append(number)
        return seen

    def _comings(self, seen: Sequence[int], now_s: float, size_wh) -> List[Event]:
        events = []
        for number in seen:
            track = self._tracks[number]
            if track.announced or now_s - track.first_s < STEADY_S - 1e-6:
                continue
            lost = self._whom_it_replaces(track, now_s)
            if lost is not None:
                del self._tracks[lost]
                track.announced = True
            elif self._may_say(ARRIVED, track.name, self.count(track.name) + 1, now_s):
                track.announced = True
                where, near = place_of(track.xyxy, size_wh)
                events.append(Event(ARRIVED, track.name, self.count(track.name), now_s, where,
                                    near))
        return events

    def _whom_it_replaces(self, track: _Track, now_s: float) -> Optional[int]:
        for number, other in self._tracks.items():
            if other.announced and other.name == track.name and other.last_s < track.first_s:
                # long gone, and only still there because its going is not to be told yet
                if now_s - other.last_s >= GONE_S or _are_close(other.xyxy, track.xyxy):
                    return number
        return None

    def _goings(self, now_s: float) -> List[Event]:
        events = []
        for number, track in list(self._tracks.items()):
            if now_s - track.last_s < GONE_S - 1e-6:
                continue
            if not track.announced:
                del self._tracks[number]
            elif self._may_say(LEFT, track.name, self.count(track.name) - 1, now_s):
                del self._tracks[number]
                events.append(Event(LEFT, track.name, self.count(track.name), now_s))
        return events

    def _may_say(self, kind: str, name: str, total: int, now_s: float) -> bool:
        key = (kind, name, total)
        if now_s - self._said_s.get(key, float('-inf')) < self.cooldown_s - 1e-6:
            return False
        self._said_s[key] = now_s
        return True


def _are_close(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two boxes' centres are nearer than the longer side of the larger."""
    distance = np.abs((a[:2] + a[2:]) - (b[:2] + b[2:])).max() / 2
    return bool(distance < max((a[2:] - a[:2]).max(), (b[2:] - b[:2]).max()))
