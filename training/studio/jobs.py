"""
Trainings and other long work, each in a process of its own that outlives the studio.

A run is a folder: job.json is what was asked for, TASK.json what the worker tells of it. Whether
it is still at work is told by a lock that the kernel frees when the worker ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import threading
import time
from typing import Any

from edge_vision.core.errors import UserError
from training.studio.files import read_json, told_in_a_sentence, write_json
from training.studio.project import Project
from training.studio.projects import Projects

LOCK = '.job.lock'
STOP = 'stop'  # a file of this name in the run's folder asks the worker to stop
WORDS = {'train': 'training', 'evaluate': 'check', 'compress': 'compression'}
TASKS = tuple(WORDS)


class Jobs:
    """Starts workers, one at a time for all projects, and reads what they tell."""

    def __init__(self, projects: Projects, nice: int):
        """Look after the projects below one folder; workers run with the niceness `nice`."""
        self._nice = nice
        self._projects = projects
        self._lock = threading.Lock()
        self._child: subprocess.Popen | None = None

    def current(self) -> dict[str, str] | None:
        """Tell what is at work now, as project, run and task; None for nothing."""
        file = self._projects.root / LOCK
        if not file.is_file():
            return None
        if self._child is not None:
            self._child.poll()  # so that no ended child stays a zombie
        with open(file, 'rb') as held:
            try:  # shared, so that two who look do not take each other for the worker
                fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return read_json(file, {'project': '', 'run': '', 'task': ''})
        return None

    def new_run(self, project: Project, job: dict[str, Any]) -> str:
        """Make the folder of a new run; gives its name."""
        with self._lock:
            runs = project.own / 'runs'
            number = 1 + max((int(n) for n in run_names(project)), default=0)
            with told_in_a_sentence('the training'):
                (runs / str(number)).mkdir(parents=True)
            write_json(
                runs / str(number) / 'job.json',
                {**job, 'project': project.name, 'made_s': time.time()},
            )
            return str(number)

    def start(self, project: Project, run: str, task: str) -> None:
        """Start the worker; UserError where another one is at work."""
        with self._lock:
            busy = self.current()
            if busy is not None:
                what = WORDS.get(busy['task'], 'work')
                raise UserError(
                    f"The {what} of project '{busy['project']}' is at work; stop it or wait for"
                    ' its end.'
                )
            folder = run_folder(project, run)
            (folder / STOP).unlink(missing_ok=True)
            with told_in_a_sentence('the training'):
                with open(self._projects.root / LOCK, 'a+') as held:
                    fcntl.flock(held, fcntl.LOCK_EX)  # at once, but for one who looks
                    held.truncate(0)
                    held.write(json.dumps({'project': project.name, 'run': run, 'task': task}))
                    held.flush()
                    # after the lock: who reads that it runs finds the lock taken
                    state = told(folder, task)
                    state.update(status='running', sentence='starting')
                    write_json(folder / f'{task}.json', state)
                    self._child = spawn(folder, task, held.fileno(), self._nice)

    def drop(self, project: Project, run: str) -> None:
        """Throw a training away."""
        busy = self.current()
        if busy is not None and (busy['project'], busy['run']) == (project.name, run):
            raise UserError('This training is at work; stop it first.')
        shutil.rmtree(run_folder(project, run))

    def stop(self, project: Project, run: str) -> None:
        """Ask the worker to stop after the step that it is at."""
        write_json(run_folder(project, run) / STOP, True, 'the wish to stop', durable=False)

    def state(self, project: Project, run: str, task: str) -> dict[str, Any]:
        """Tell how a task stands; status: '', running, done, stopped or failed."""
        folder = run_folder(project, run)
        here = {'project': project.name, 'run': run, 'task': task}
        state = told(folder, task)
        if state['status'] == 'running' and self.current() != here:
            state = told(folder, task)  # a worker's last words come before its end
            if state['status'] == 'running':
                state.update(status='failed', sentence=last_words(folder, self._exit()))
        if state.get('status') == 'running' and (folder / STOP).exists():
            state['sentence'] = 'stopping'
        return state

    def _exit(self) -> int | None:
        return self._child.poll() if self._child is not None else None

    def close(self) -> None:
        """Leave the worker alone; it goes on."""
        self._child = None


def told(folder: Path, task: str) -> dict[str, Any]:
    """Read what a worker has told of a task."""
    return {'status': '', 'rows': [], **read_json(folder / f'{task}.json', {})}


def spawn(folder: Path, task: str, lock: int, nice: int) -> subprocess.Popen:
    """Start a worker that keeps the lock, in a session of its own so that Ctrl-C spares it."""
    cores = len(os.sched_getaffinity(0))
    threads = {name: str(cores) for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')}
    threads['OMP_WAIT_POLICY'] = 'PASSIVE'  # threads that wait do not take cores from others
    with open(folder / 'log.txt', 'ab') as log:
        return subprocess.Popen(
            [
                sys.executable,
                '-m',
                'training.studio.worker',
                str(folder),
                task,
                str(lock),
                str(nice),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
            env={**os.environ, **threads},
            cwd=Path(__file__).resolve().parents[2],
        )


def last_words(folder: Path, code: int | None) -> str:
    """Tell in one sentence why a worker ended without a word."""
    tail = ''
    with contextlib.suppress(OSError):
        with open(folder / 'log.txt', 'rb') as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
            lines = log.read().decode(errors='replace').strip().splitlines()
            tail = lines[-1][:200] if lines else ''
    if code is not None and code < 0:
        why = f'was ended by signal {-code}' + (', as when memory is out' if code == -9 else '')
    elif code:
        why = f'failed: {tail}' if tail else f'ended with code {code}'
    else:
        why = 'ended without a word, as after a power cut or when memory is out'
    return f'The work {why}; go on takes it up where it last was kept.'


def run_names(project: Project) -> list[str]:
    """Names of the runs of a project, oldest first."""
    runs = project.own / 'runs'
    found = [n for n in (os.listdir(runs) if runs.is_dir() else []) if n.isdecimal()]
    return sorted(found, key=int)


def run_folder(project: Project, run: object) -> Path:
    """Folder of a run; UserError where there is none."""
    if not isinstance(run, str) or run not in run_names(project):
        raise UserError('That training is not there any more.')
    return project.own / 'runs' / run
