"""Files that are whole or not there: pulling the plug loses at most what was being written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import errno
import json
import os
from pathlib import Path
import shutil
from typing import Any

from edge_vision.core.errors import UserError

PART = '.part'  # ends what is not finished; removed when a project is opened
UPLOAD = '.upload'  # ends a file that is being sent
INCOMING = 'incoming'  # folder of what is being unpacked
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def told_in_a_sentence(what: str) -> Iterator[None]:
    """Turn a full disk, or one that may not be written, into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UserError(
                f'The disk is full: {what} was not kept, all that was kept before still is; free'
                ' some space and try again.'
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(
                f'{what} cannot be kept: {error.filename or "the folder"} may not be written.'
            ) from error
        raise


def write_whole(file: Path, data: bytes, what: str = '', durable: bool = True) -> None:
    """
    Write a file whole or not at all; UserError, naming `what`, where the disk is full.

    durable: wait until the disk has it, so that it outlives a power cut.
    """
    part = file.with_name(f'.{file.name[:80]}.{os.getpid()}{PART}')
    with told_in_a_sentence(what or file.name):
        try:
            with open(part, 'wb') as out:
                out.write(data)
                out.flush()
                if durable:
                    os.fsync(out.fileno())
            os.replace(part, file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the names in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(file: Path, value: Any, what: str = '', durable: bool = True) -> None:
    """Write a JSON file whole or not at all."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    write_whole(file, text.encode(), what, durable)


def read_json(file: Path, otherwise: Any) -> Any:
    """Read a JSON file; `otherwise` where there is none that can be read."""
    try:
        return json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        return otherwise


def sweep(folder: Path) -> None:
    """Remove what a kill left unfinished in a folder."""
    for part in folder.glob(f'.*{PART}'):
        part.unlink(missing_ok=True)


def sweep_uploads(folder: Path) -> None:
    """Remove what was on its way in when the studio was killed."""
    for part in folder.glob(f'*{UPLOAD}'):
        part.unlink(missing_ok=True)
    shutil.rmtree(folder / INCOMING, ignore_errors=True)
