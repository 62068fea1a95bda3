"""All projects below one folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
import threading
import time
from typing import TextIO

from edge_vision.core.errors import UserError
from training.studio.files import sweep_uploads, told_in_a_sentence
from training.studio.layout import folders_in, OWN, read_layout
from training.studio.names import checked_name
from training.studio.project import Project

TRASH = '.trash'


class Projects:
    """
    Opens each project once, so that all browsers share its lock.

    One studio at a time may have the folder: the kernel gives its lock back when the process
    ends, however that comes.
    """

    def __init__(self, root: Path):
        """Take `root`, making it where it is missing; UserError where another studio has it."""
        self.root = root
        self._open: dict[str, Project] = {}
        self._lock = threading.Lock()
        self._held: TextIO | None = None
        with told_in_a_sentence(f'the folder of projects {root}'):
            root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK):
            return  # to look at and to try: each change will say why it cannot be
        self._held = open(root / '.studio.lock', 'a+')  # held as long as this process lives
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.seek(0)
            raise UserError(
                f'Another studio (process {self._held.read().strip() or "unknown"}) has {root}'
                ' open; use that one, end it, or name another folder with --projects.'
            ) from None
        self._held.truncate(0)
        self._held.write(str(os.getpid()))
        self._held.flush()
        sweep_uploads(root / OWN)

    def names(self) -> list[str]:
        """Names of all folders that are projects."""
        found = []
        for name in folders_in(self.root):
            try:
                if name in self._open or read_layout(self.root / name) is not None:
                    found.append(name)
            except UserError:
                found.append(name)  # damaged: opening it says so
        return found

    def get(self, name: str) -> Project:
        """Open a project; UserError where there is none."""
        with self._lock:
            if name not in folders_in(self.root):
                self._open.pop(name, None)
                raise UserError(f"There is no project '{name}'.")
            if name not in self._open:
                self._open[name] = Project(self.root / name)
            return self._open[name]

    def create(self, name: object, kind: object, points: object = ()) -> Project:
        """Make a project."""
        with self._lock:
            name = checked_name(name, 'project', folders_in(self.root))
            self._open[name] = Project.create(self.root / name, kind, points)
            return self._open[name]

    def drop(self, name: str) -> Path:
        """Put a project into the trash folder, from which it can be moved back by hand."""
        project = self.get(name)
        with self._lock, project.lock:
            target = self.root / TRASH / f'{name} {time.strftime("%Y%m%d-%H%M%S")}'
            with told_in_a_sentence('the project'):
                target.parent.mkdir(exist_ok=True)
                os.rename(project.folder, target)
            self._open.pop(name, None)
            return target

    def opened(self) -> dict[str, Project]:
        """Give those that were opened, by name."""
        with self._lock:
            return dict(self._open)

    def close(self) -> None:
        """Let others have the folder."""
        if self._held is not None:
            self._held.close()
