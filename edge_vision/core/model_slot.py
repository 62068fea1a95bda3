"""A model that can be exchanged while it works, and is read again when its file changes."""

from __future__ import annotations

import os
from typing import Callable, Generic, Optional, Tuple, TypeVar

from edge_vision.core.errors import UserError

Model = TypeVar('Model')
State = Optional[Tuple[int, int, int]]  # of a file: inode, size, time in nanoseconds


def state_of(path: str) -> State:
    """Tell what changes when a file is written or replaced; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class ModelSlot(Generic[Model]):
    """
    Holds the model that works now, or None.

    find(name) gives the path of its file and load(name) the model, both with UserError. `model`
    may be read in any thread at any time; one thread at a time may change it.
    """

    def __init__(self, find: Callable[[str], str], load: Callable[[str], Model]):
        """Start empty."""
        self._find, self._load = find, load
        self.model: Optional[Model] = None
        self.name = ''
        self.problem = ''  # why the file that is there now is not the one at work
        self._at_work: State = None  # of the file that was loaded, or tried, last
        self._seen: State = None

    def _state(self, name: str) -> State:
        try:
            return state_of(self._find(name))
        except UserError:
            return None

    def loaded(self, name: str) -> Callable[[], None]:
        """Load a model ('': none), and give what puts it to work; UserError where it cannot be."""
        state = self._state(name) if name else None  # before: what comes later is newer
        model = self._load(name) if name else None

        def put() -> None:
            self.model, self.name, self.problem = model, name, ''
            self._at_work = self._seen = state
        return put

    def promise(self, name: str, problem: str) -> None:
        """Wait for a model that is not there: `look` loads it when it comes."""
        self.model, self.name, self.problem = None, name, problem
        self._at_work = self._seen = None

    def changed(self) -> bool:
        """Tell whether the file is another one than that at work."""
        return bool(self.name) and self._state(self.name) not in (None, self._at_work)

    def look(self) -> bool:
        """
        Load the file anew if it has changed and changes no more; tells whether it did.

        To be called about once a second: a file of which only a part is written yet still grows
        from one call to the next. Raises UserError, once, for a file that is no such model; the
        old one goes on.
        """
        if not self.changed():
            return False
        state = self._state(self.name)
        if state != self._seen:
            self._seen = state
            return False
        self._at_work = state
        try:
            self.loaded(self.name)()
        except UserError as error:
            self.problem = str(error)
            raise
        return True
