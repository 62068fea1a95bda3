"""Spoken phrases on disk, so that each is fetched once."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
import tempfile
from typing import Optional

log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Give where phrases are kept unless the user names another place."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'edge_vision/speech'


class SoundCache:
    """
    Files of at most `most_bytes` together; those that were not used for longest go first.

    A folder that is full, read-only, or no folder at all costs the cache, never the speech: it is
    told once, until it works again.
    """

    def __init__(self, folder: Path, most_bytes: int):
        """Use a folder; it is made when the first phrase is kept."""
        self._folder = folder
        self._most_bytes = most_bytes
        self.problem = ''

    def _path(self, key: str) -> Path:
        return self._folder / (hashlib.sha256(key.encode()).hexdigest()[:40] + '.mp3')

    def get(self, key: str) -> Optional[bytes]:
        """Give what was kept under the key, or None."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            os.utime(path)  # it was used now
        except OSError:
            pass  # a read-only folder still gives what it has
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep the sound of a phrase; whole or not at all, whoever reads at the same time."""
        if len(data) > self._most_bytes:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(data))
            handle, name = tempfile.mkstemp(dir=str(self._folder), suffix='.part')
            try:
                with os.fdopen(handle, 'wb') as file:
                    file.write(data)
                os.replace(name, str(self._path(key)))
            except OSError:
                os.unlink(name)
                raise
        except OSError as error:
            self._tell(f'phrases cannot be kept in {self._folder}: {error.strerror or error}')
            return
        self._tell('')

    def remove(self, key: str) -> None:
        """Forget a sound that turned out to be none."""
        try:
            self._path(key).unlink()
        except OSError:
            pass  # then it is fetched anew each time, and put() tells why

    def _make_room(self, more_bytes: int) -> None:
        # what a crash left of unfinished files counts too, and is the first to go
        files = []
        for path in self._folder.iterdir():
            if path.suffix in ('.mp3', '.part'):
                facts = path.stat()
                files.append((path.suffix == '.mp3', facts.st_mtime, facts.st_size, path))
        too_much = sum(size for _, _, size, _ in files) + more_bytes - self._most_bytes
        for _, _, size, path in sorted(files):
            if too_much <= 0:
                return
            path.unlink()
            too_much -= size

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning(problem)
        self.problem = problem
