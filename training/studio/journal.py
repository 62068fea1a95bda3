"""What was changed in a project, so that it can be undone; also after a restart."""

from __future__ import annotations

from pathlib import Path
import shutil
from typing import Any

from training.studio.files import read_json, write_json

MOST = 200  # changes that are remembered
Step = list[Any]  # its kind, then what it needs; project.py does and undoes them


class Journal:
    """
    The last changes with the steps that each is made of, and the trash that they need.

    Written before a change is made: a kill in between leaves a step that has nothing to undo,
    never a picture in the trash of which nobody knows.
    """

    def __init__(self, folder: Path):
        """Read what there is in `folder`."""
        self._folder = folder
        read = read_json(folder / 'undo.json', [])
        self.entries: list[dict] = (
            [
                e
                for e in read
                if isinstance(e, dict) and {'id', 'client', 'what', 'steps'} <= set(e)
            ]
            if isinstance(read, list)
            else []
        )
        self._last = max((int(e['id']) for e in self.entries), default=0)

    def new_id(self) -> int:
        """Give the number of the next change."""
        self._last += 1
        return self._last

    def trash(self, number: int) -> Path:
        """Folder for what the change `number` throws away."""
        return self._folder / 'trash' / str(number)

    def add(self, number: int, client: str, what: str, steps: list[Step]) -> None:
        """Remember a change of the browser `client`; the oldest one is forgotten for it."""
        self.entries.append({'id': number, 'client': client, 'what': what, 'steps': steps})
        for old in self.entries[:-MOST]:
            shutil.rmtree(self.trash(old['id']), ignore_errors=True)
        self.entries = self.entries[-MOST:]
        self._write()

    def newest_of(self, client: str) -> dict | None:
        """Give the last change that this browser made."""
        return next((e for e in reversed(self.entries) if e['client'] == client), None)

    def forget(self, entry: dict) -> None:
        """Drop a change that was undone."""
        self.entries = [e for e in self.entries if e['id'] != entry['id']]
        self._write()

    def _write(self):
        # not synced: after a power cut an older list is as good
        write_json(self._folder / 'undo.json', self.entries, 'the change', durable=False)
