"""Rates and latencies over the last seconds, for diagnostics and the page."""

from __future__ import annotations

from collections import deque
import math
import threading
import time
from typing import Callable, Deque, Dict


class RateMeter:
    """Events per second over a sliding window."""

    def __init__(self, window_s: float = 2.0, clock: Callable[[], float] = time.monotonic):
        """Start with nothing counted; clock gives seconds."""
        self._window_s = window_s
        self._clock = clock
        self._times: Deque[float] = deque()
        self._lock = threading.Lock()

    def tick(self) -> None:
        """Count one event now."""
        with self._lock:
            self._times.append(self._clock())
            self._trim()

    def _trim(self):
        oldest = self._clock() - self._window_s
        while self._times and self._times[0] < oldest:
            self._times.popleft()

    def per_second(self) -> float:
        """Events per second; 0 when the last ones are older than the window."""
        with self._lock:
            self._trim()
            if len(self._times) < 2:
                return 0.0
            # up to now when the flow has stopped, so that the figure falls at once
            span_s = self._times[-1] - self._times[0]
            silent_s = self._clock() - self._times[-1]
            gap_s = span_s / (len(self._times) - 1)
            return (len(self._times) - 1) / (span_s + max(0.0, silent_s - gap_s) or 1e-9)


class Percentiles:
    """Percentiles of the last values, by nearest rank."""

    def __init__(self, size: int = 200):
        """Remember at most `size` values."""
        self._values: Deque[float] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        """Remember one value."""
        with self._lock:
            self._values.append(value)

    def at(self, *percents: float) -> Dict[str, float]:
        """Values at the percents asked for, as {'p50': ...}; empty where nothing was added."""
        with self._lock:
            ordered = sorted(self._values)
        if not ordered:
            return {}
        return {f'p{percent:g}': ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
                for percent in percents}


def time_figures(latency_ms: Percentiles, stages_ms: Dict[str, Percentiles]) -> Dict[str, float]:
    """Give the latency at 50 and 95 percent and the median of each stage, in milliseconds."""
    figures = {f'latency_ms_{name}': ms for name, ms in latency_ms.at(50, 95).items()}
    for stage, values in list(stages_ms.items()):  # another thread adds stages
        figures[f'{stage}_ms'] = values.at(50)['p50']
    return figures
