"""The one thread that owns the camera."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable

from edge_vision.core.backoff import Backoff
from edge_vision.core.frame import Frame
from edge_vision.core.sources import EndOfSource, Source, SourceLost
from edge_vision.core.stats import RateMeter

log = logging.getLogger(__name__)

SILENCE_S = 5.0  # an open source that gives nothing for so long is reported


def _one_line(error: Exception) -> str:
    """Name the class of an error that was not foreseen, with its words on one line."""
    return f'{type(error).__name__}: {" ".join(str(error).split())}'


class Capture:
    """
    Reads a source in a thread of its own and hands each frame to `on_frame`.

    A source that goes away is opened again after `reconnect_s`, then after twice as long and so
    on. While paused, the device is let go. `on_change(sentence, is_good)` tells of each change;
    it and `on_frame` are called in the capture thread and must not block.
    """

    def __init__(self, source: Source, frame_id: str, reconnect_s: float,
                 on_frame: Callable[[Frame], None], on_change: Callable[[str, bool], None]):
        """Set up; `start` begins to read."""
        self._source = self._next_source = source
        self._skipped_before = 0
        self._frame_id = frame_id
        self._backoff = Backoff(reconnect_s)
        self._on_frame = on_frame
        self._on_change = on_change
        self._wake = threading.Event()  # ends any waiting in the source or between tries
        self._changed = threading.Lock()
        self._enabled = True
        self._closing = False
        self._last_s = time.monotonic()
        self.rate = RateMeter()
        self.state = 'opening'
        self.problem = ''
        self.size_wh = (0, 0)
        self.reconnects = 0
        self._thread = threading.Thread(target=self._run, name='capture', daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def enabled(self) -> bool:
        """Tell whether the source is wanted."""
        return self._enabled

    @property
    def skipped(self) -> int:
        """Count the pictures that the source passed over because they were late."""
        return self._skipped_before + self._source.skipped

    @property
    def description(self) -> str:
        """Tell what was opened, with the settings read back."""
        return self._source.description

    def silent_s(self) -> float:
        """Seconds since the last frame, while frames are wanted."""
        return time.monotonic() - self._last_s if self._enabled else 0.0

    def enable(self, enabled: bool) -> None:
        """Pause (letting go of the device) or go on; returns at once."""
        with self._changed:
            if enabled and self._enabled and self.state in ('opening', 'running'):
                return  # it runs already; waking it up would open the device again
            self._enabled = enabled
            self._last_s = time.monotonic()
            self._wake.set()

    def exchange(self, source: Source) -> None:
        """Read from another source from now on; the capture thread closes the old one first."""
        with self._changed:
            self._next_source = source
            self._last_s = time.monotonic()
            self._backoff.reset()
            self._wake.set()

    def close(self, timeout_s: float = 3.0) -> None:
        """Let go of the device and end the thread; a driver that hangs is left behind."""
        with self._changed:
            self._closing = True
            self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self):
        while self._is_wanted():
            end, problem = None, ''
            try:
                self._read_until_told()
            except EndOfSource as error:
                end = str(error)
            except SourceLost as error:
                problem = str(error)
            except Exception as error:  # noqa: BLE001 a driver's fault must not end all
                problem = _one_line(error)
            self._let_go()
            if self._wake.is_set():
                continue  # told to pause, exchange or close: what went wrong by that is no news
            if end is None:
                self._wait_for_better(problem)
            else:
                self._tell('ended', end, True)
                self._wake.wait()

    def _is_wanted(self) -> bool:
        """Wait while paused; False when the thread is to end."""
        while True:
            with self._changed:
                self._wake.clear()
                if self._enabled or self._closing:
                    return not self._closing
            self._tell('paused', 'paused, the device is free', True)
            self._wake.wait()

    def _let_go(self):
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001 as above
            log.warning('%s cannot be closed: %s', self.description, _one_line(error))

    def _read_until_told(self):
        if self._source is not self._next_source:
            self._skipped_before += self._source.skipped
            self._source = self._next_source
            self.problem = ''
        if not self.problem:  # a lost source stays lost until a picture comes
            self.state = 'opening'
        self._source.open(self._wake)
        self._last_s = time.monotonic()
        while not self._wake.is_set():
            captured = self._source.read()
            if self._wake.is_set():
                return
            height, width = captured.bgr.shape[:2]
            if not (height and width):
                raise SourceLost('the source delivered a picture without a size')
            if self.state != 'running':
                self._backoff.reset()
                self._tell('running', self.description, True)
            self.size_wh = (width, height)
            self._last_s = time.monotonic()
            self.rate.tick()
            self._on_frame(Frame(captured.bgr, captured.stamp_ns, self._frame_id, captured.jpeg))

    def _wait_for_better(self, problem: str):
        pause_s = self._backoff.next_s()
        self.reconnects += 1
        self._tell('lost', f'{problem}; next try in {pause_s:g} s', False)
        self._wake.wait(pause_s)

    def _tell(self, state: str, sentence: str, is_good: bool):
        self.state = state
        self.problem = '' if is_good else sentence
        self._on_change(sentence, is_good)
