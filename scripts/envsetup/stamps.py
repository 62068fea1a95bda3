"""Which steps are done, and one set-up at a time."""

import contextlib
import fcntl
import hashlib
import os
from typing import Iterator, Sequence


def fingerprint(words: Sequence[str], files: Sequence[str]) -> str:
    """Return a hash of what a step is made from: words, and names and contents of files."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b'\0')
    for path in sorted(files):
        with open(path, 'rb') as file:
            content = file.read()
        digest.update('{} {}\0'.format(os.path.basename(path), len(content)).encode() + content)
    return digest.hexdigest()


def read(folder: str, name: str) -> str:
    """Return the stamp of a step; empty where it was never finished."""
    try:
        with open(os.path.join(folder, name), encoding='ascii') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def write(folder: str, name: str, value: str) -> None:
    """Stamp a step as done; a reader sees the old stamp or the new one, never half of it."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path + '.new', 'w', encoding='ascii') as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + '.new', path)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """
    Hold the lock of an environment, and wait for it where another set-up holds it.

    Whatever a set-up starts inherits the lock: if the set-up is killed while its pip goes on, the
    next one waits for that pip instead of installing beside it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.set_inheritable(descriptor, True)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('Another set-up is at work: waiting for it', flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
