"""
One piece of work in a process of its own: train, evaluate or compress. The studio starts it.

    python -m training.studio.worker RUN_FOLDER TASK LOCK_FD NICE

Whatever goes wrong is one sentence in TASK.json; log.txt has the rest.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
import signal
import sys
import traceback
from typing import Any

from edge_vision.core.errors import UserError
from training.studio.files import FULL, read_json
from training.studio.report import Report, Stop, Stopped

GROUP_NICE = 4  # where the kernel first divides time among sessions: less, as it counts for all
STOP = 'stop'


def be_modest(nice: int) -> None:
    """Let everything else have the cores first; 0 for as much as all others."""
    if nice <= 0:
        return
    os.nice(nice)
    try:  # a session of its own is a scheduling group of its own, with a niceness for itself
        Path('/proc/self/autogroup').write_text(str(min(nice, GROUP_NICE)), encoding='ascii')
    except OSError:
        pass


def sentence_of(error: BaseException) -> str:
    """Tell in one sentence what went wrong."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return 'There is not enough memory for this; close other programs, or train the head only.'
    if isinstance(error, OSError) and error.errno in FULL:
        return 'The disk is full; free some space, and go on.'
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        return f'{error.filename} is not there any more.'
    if isinstance(error, ImportError):
        return f'{error.name or error} is not installed; "make setup EXTRAS=training" installs it.'
    words = (str(error).strip().splitlines() or ['no more is known'])[0][:200]
    return f'{type(error).__name__}: {words} (log.txt in the folder of the training tells more).'


def work(folder: Path, task: str, stop: Stop, job: dict[str, Any], hold) -> None:
    """Do one task."""
    # imported here, so that each needs only what it uses: a check needs no torch
    if task == 'train':
        from training.studio.work_train import train

        report = Report(folder, 'train')
        train(folder, job, report, stop)
        hold('evaluate')
        work(folder, 'evaluate', stop, job, hold)
    elif task == 'evaluate':
        from training.studio.work_check import check

        check(folder, job, Report(folder, 'evaluate', anew=True), stop)
    elif task == 'compress':
        from training.studio.work_compress import compress

        compress(folder, job, Report(folder, 'compress', anew=True), stop)
    else:
        raise UserError(f"'{task}' is no task.")


def main(folder: Path, task: str, lock: int, nice: int) -> int:
    """Return the exit code."""
    be_modest(nice)
    job = read_json(folder / 'job.json', {})
    stop = Stop(folder / STOP)
    signal.signal(signal.SIGTERM, lambda *_: setattr(stop, 'signalled', True))
    tasks = [task]

    def hold(now: str) -> None:
        """Tell in the lock file, which stays locked, what is done now."""
        tasks.append(now)
        words = json.dumps({'project': job['project'], 'run': folder.name, 'task': now}).encode()
        os.ftruncate(lock, 0)
        os.pwrite(lock, words, 0)

    try:
        work(folder, task, stop, job, hold)
    except Stopped as error:
        Report(folder, tasks[-1]).end('stopped', str(error))
    except BaseException as error:  # noqa: BLE001 whatever it is, the user hears of it
        if not isinstance(error, UserError):
            traceback.print_exc()
        try:
            Report(folder, tasks[-1]).end('failed', sentence_of(error))
        except UserError:  # a full disk: the studio tells of an end without a word
            print(sentence_of(error), file=sys.stderr)
        return 1
    finally:
        stop_file = folder / STOP
        stop_file.unlink(missing_ok=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
