"""What the tests of the studio share: a studio in a process of its own, pictures, and waiting."""

from __future__ import annotations

from contextlib import contextmanager
import fcntl
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time
from urllib.parse import quote, urlencode

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import claim_domain, http, REPO, wait_for

claim_domain()

CLIENT = 'test'
LIMIT_S = 150.0  # for a training of some seconds, on a machine that does much else
COLOURS = {'none': (200, 60, 40), 'up': (40, 190, 60), 'down': (50, 40, 200)}  # blue, green, red


def picture_of(name: str, number: int = 0, size_wh=(64, 48)) -> np.ndarray:
    """Give a picture uint8 (H, W, 3) in the colour of a class; each number is another one."""
    rng = np.random.default_rng((number, len(name)))
    noise = rng.integers(-25, 26, (size_wh[1], size_wh[0], 3))
    return np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)


def jpeg_of(bgr: np.ndarray, ending: str = '.jpg') -> bytes:
    """Give the picture as a file."""
    return cv2.imencode(ending, bgr)[1].tobytes()


class StudioProcess:
    """A studio as a user starts it."""

    def __init__(self, folder: Path, *words: str, env=None, prefix=()):
        """Start it on the projects and models in `folder`, on any free port."""
        self.projects, self.models = folder / 'projects', folder / 'models'
        self._out = tempfile.TemporaryFile('w+')
        command = [*prefix, sys.executable, '-m', 'training.studio', '--port', '0', '--projects',
                   str(self.projects), '--models', str(self.models), '--nice', '0', *words]
        self.process = subprocess.Popen(command, stdout=self._out, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, cwd=REPO, env=env)

    @property
    def output(self) -> str:
        """What it has written."""
        return os.pread(self._out.fileno(), 1 << 20, 0).decode(errors='replace')

    @property
    def url(self) -> str:
        """Address without a slash at the end."""
        word = 'the studio is at '
        wait_for(lambda: word in self.output or self.process.poll() is not None, 'the studio',
                 detail=lambda: self.output)
        assert word in self.output, self.output
        return self.output.split(word)[1].split()[0].rstrip('/')

    def ask(self, path: str, body=None, status: int = 200, client: str = CLIENT, **query):
        """GET, or POST where there is a body; gives the JSON of an answer with this status."""
        words = f'?{urlencode(query)}' if query else ''
        answer = http(f'{self.url}{quote(path)}{words}', body, {'X-Client': client})
        assert answer.status == status, answer.text
        return answer.json

    def refuses(self, path: str, body=None, **query) -> str:
        """Ask for what cannot be; gives the sentence."""
        sentence = self.ask(path, body, status=400, **query)['message']
        assert sentence and '\n' not in sentence and 'Error' not in sentence
        return sentence

    def make(self, name: str, kind: str = 'classification', categories=(), points=()) -> str:
        """Make a project; gives its path."""
        self.ask('/api/projects', {'name': name, 'kind': kind, 'points': list(points)})
        for one in categories:
            self.ask(f'/api/projects/{name}/change', {'do': 'add category', 'name': one})
        return f'/api/projects/{name}'

    def fill(self, path: str, count: int, names=tuple(COLOURS), set_name: str = 'A') -> None:
        """Collect `count` pictures of each class."""
        for name in names:
            for number in range(count):
                self.ask(f'{path}/pictures', jpeg_of(picture_of(name, number)), set=set_name,
                         label=name)

    def train(self, path: str, **wish) -> str:
        """Begin a small training; gives its number."""
        small = {'sets': ['A'], 'start': 'none', 'epochs': 2, 'size': 32, 'width': 4,
                 'rate': 0.01, 'repeat': 2}
        return self.ask(f'{path}/runs', {**small, **wish})['run']

    def finished(self, path: str, run: str, task: str = 'train', status: str = 'done'):
        """Wait for the end of a task; gives what the studio tells of the training."""
        def state():
            now = self.ask(f'{path}/runs/{run}')
            ended = now[task].get('status') not in ('', 'running')
            return now if ended else None
        now = wait_for(state, f'{task} of training {run}', LIMIT_S,
                       lambda: self.ask(f'{path}/runs/{run}'), lambda: time.sleep(0.1))
        assert now[task]['status'] == status, now[task]
        return now

    def idle(self) -> None:
        """Wait until no work goes on: the kernel frees the lock as the last thing of a process."""
        def is_free() -> bool:
            try:
                with open(self.projects / '.job.lock', 'rb') as lock:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except FileNotFoundError:
                return True
            except OSError:
                return False
            return True
        wait_for(is_free, 'the end of the work', LIMIT_S)

    def worker(self):
        """Process id of the worker at work, or None."""
        for entry in Path('/proc').glob('[0-9]*/cmdline'):
            try:
                words = entry.read_bytes().split(b'\0')
            except OSError:
                continue
            if b'training.studio.worker' in words and any(
                    word.startswith(str(self.projects).encode()) for word in words):
                return int(entry.parent.name)
        return None

    def kill(self) -> None:
        """End it as the kernel does when memory is out."""
        self.process.kill()
        self.process.wait()

    def close(self) -> int:
        """End it with Ctrl-C, and what it left at work; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        self.end_work()
        return code

    def end_work(self) -> None:
        """End what is at work, as a failed test may leave it."""
        worker = self.worker()
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
            self.idle()


@contextmanager
def running_studio(folder: Path, *words: str, **given):
    """Run a studio as long as the context lasts."""
    studio = StudioProcess(folder, *words, **given)
    try:
        yield studio
    finally:
        studio.close()
        print(studio.output)


@pytest.fixture(scope='module')
def studio(tmp_path_factory):
    """Give the studio that most tests of a file share."""
    with running_studio(tmp_path_factory.mktemp('studio')) as program:
        yield program


def tree_of(folder: Path) -> dict[str, bytes]:
    """Give all files of a project but the studio's own, by their paths."""
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob('*'))
            if path.is_file() and '.studio' not in path.parts and path.name != 'project.json'}


def read(file: Path):
    """Read a JSON file."""
    return json.loads(file.read_text(encoding='utf-8'))
