"""What a worker tells of its work, in a file that the studio reads at any time."""

from __future__ import annotations

from pathlib import Path
import time
from typing import Any

from edge_vision.core.errors import UserError
from training.studio.files import read_json, write_json

LEAST_S = 0.2  # between two writings, so that short steps do not wait for the disk


class Report:
    """
    The state of one task: status, sentence, done (0..1), left_s, rows of the curves.

    What an earlier part of the same work has told stays.
    """

    def __init__(self, folder: Path, task: str, anew: bool = False):
        """Begin to tell; anew: forget what was told before."""
        self._file = folder / f'{task}.json'
        self.state: dict[str, Any] = {} if anew else read_json(self._file, {})
        self.state.setdefault('rows', [])
        self.state.update(status='running', done=0.0, left_s=None)
        self._written_s = self._began_s = time.monotonic()
        self.say('starting')

    def say(self, sentence: str, **figures: Any) -> None:
        """Tell what is done now; written at once."""
        self.state.update(sentence=sentence, **figures)
        self._write()

    def progress(self, sentence: str, done: float) -> None:
        """Tell how far a step is, 0..1; seldom written."""
        spent_s = time.monotonic() - self._began_s
        self.state.update(sentence=sentence, done=round(done, 4))
        self.state['left_s'] = round(spent_s * (1 - done) / done, 1) if done > 0.02 else None
        if time.monotonic() - self._written_s > LEAST_S:
            self._write()

    def row(self, row: dict[str, Any]) -> None:
        """Add a point of the curves: a dict with `epoch`; one told before is told again."""
        rows = [old for old in self.state['rows'] if old.get('epoch', 0) < row['epoch']]
        self.state['rows'] = [*rows, row]
        if time.monotonic() - self._written_s > LEAST_S:
            self._write()

    def end(self, status: str, sentence: str, **figures: Any) -> None:
        """Tell the last words: done, stopped or failed."""
        self.state.update(status=status, left_s=None, **figures)
        self.say(sentence)

    def _write(self):
        write_json(self._file, self.state, 'the progress', durable=False)
        self._written_s = time.monotonic()


class Stop:
    """The wish to stop: a file in the run's folder, or a signal; like a threading.Event."""

    def __init__(self, file: Path):
        """Look at `file`."""
        self._file, self.signalled = file, False

    def is_set(self) -> bool:
        """Tell whether it is time to end."""
        return self.signalled or self._file.exists()


class Stopped(UserError):
    """The user asked for the end."""
