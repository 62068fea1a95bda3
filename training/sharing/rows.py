"""Cluster networks in many ways and judge each: the rows of the compression report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
import hashlib
import json
import os
from pathlib import Path
import statistics
import time

from edge_vision.core.onnx_model import OnnxModel
import numpy as np
import onnx
from tqdm import tqdm
from training.cluster import share_layers
from training.gesture.checkpoint import load_checkpoint
from training.gesture.dataset import GestureSet
from training.gesture.evaluate import metrics_of
from training.gesture.export import write_model
from training.gesture.feed import Pictures
from training.sharing.graph import with_shared
from training.sharing.tasks import GestureTask
from training.sharing.tune import TuneSettings
from training.sharing.tuned import tuned

LAYERS = {'all_layers': 'all', 'last_layer': 'last'}
FLOAT = 'float32'
VARIANTS = ('plain', 'zeroed', 'tuned')
LOADS, ROUNDS, WARM_UP = 7, 40, 3


@dataclass(frozen=True)
class Part:
    """A trained network, what its shared values are trained on, and what it is judged on."""

    checkpoint: Path
    train: GestureSet
    test: GestureSet


@dataclass(frozen=True)
class Subject:
    """What a table is of: one network, or the networks of a cross validation, judged together."""

    name: str
    parts: tuple[Part, ...]
    point: str  # the point whose error is told; empty for classes

    @property
    def metric(self) -> str:
        """Name of the figure."""
        return 'error_px' if self.point else 'accuracy'

    def judge(self, outputs: list[np.ndarray]) -> float:
        """Judge the outputs of all parts together."""
        items = tuple(item for part in self.parts for item in part.test.items)
        first = self.parts[0].test
        found = metrics_of(GestureSet(first.task, first.labels, items), np.concatenate(outputs))
        return found['points'][self.point]['error_px'] if self.point else found['accuracy']


@dataclass(frozen=True)
class Wish:
    """One row: which layers (a key of LAYERS), how many values, and what is done to them."""

    layers: str
    clusters: int
    variant: str

    @property
    def key(self) -> str:
        """Name of the row, and of its file."""
        return f'{self.layers}_{self.clusters}_{self.variant}'


class Bench:
    """The models of one subject in a work folder, and their rows, kept in rows.json."""

    def __init__(self, subject: Subject, work: Path, settings: TuneSettings, threads: int) -> None:
        """Begin, or go on with the rows that are there if the checkpoints are the same."""
        self.subject, self.settings, self.threads = subject, settings, threads
        self.folder = work / subject.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows: dict[str, dict] = {}
        kept = self.folder / 'rows.json'
        self.origin = f'{fingerprint(p.checkpoint for p in subject.parts)} {settings}'
        if kept.is_file():
            before = json.loads(kept.read_text(encoding='utf-8'))
            if before['origin'] == self.origin:
                self.rows = before['rows']
        self.states = [load_checkpoint(part.checkpoint) for part in subject.parts]
        self.size = self.states[0]['settings']['size']
        self.pictures = [Pictures.plain_only(part.test, self.size) for part in subject.parts]
        self.tasks: dict[int, GestureTask] = {}

    def file(self, key: str, number: int = 0) -> Path:
        """Path of a row's model file, of the part `number`."""
        return self.folder / f'{key}_{number}.onnx'

    def fill(self, wishes: list[Wish]) -> None:
        """Make the rows that are missing."""
        if FLOAT not in self.rows:
            for number, state in enumerate(self.states):
                write_model(state, self.file(FLOAT, number))
            self._keep(FLOAT, {})
        missing = [wish for wish in wishes if wish.key not in self.rows]
        bar = tqdm(missing, self.subject.name, unit='row')
        for wish in bar:
            bar.set_postfix_str(wish.key)
            extra = [self._make(wish, number) for number in range(len(self.states))]
            self._keep(wish.key, {k: float(np.mean([e[k] for e in extra])) for k in extra[0]})

    def _make(self, wish: Wish, number: int) -> dict[str, float]:
        """Write one part's model file; return what is to be told of it."""
        model = onnx.load(self.file(FLOAT, number))
        zero = wish.variant == 'zeroed'
        layers = share_layers(model, [LAYERS[wish.layers]], wish.clusters, zero=zero, quiet=True)
        done = with_shared(model, layers)
        if wish.variant == 'tuned':
            if number not in self.tasks:
                part = self.subject.parts[number]
                self.tasks[number] = GestureTask(self.states[number], part.train, quiet=True)
            done, layers, _ = tuned(model, layers, self.tasks[number], self.settings, quiet=True)
        self.file(wish.key, number).write_bytes(done.SerializeToString())
        zeros = sum(shared.sparsity * shared.index.size for shared in layers.values())
        return {'sparsity': zeros / sum(shared.index.size for shared in layers.values())}

    def _keep(self, key: str, extra: dict) -> None:
        """Judge the files of a row and write all rows down."""
        outputs = []
        for number, pictures in enumerate(self.pictures):
            model = OnnxModel(str(self.file(key, number)), ['cpu'], self.threads)
            seen = (pictures.plain(i, self.size)[None] for i in range(len(pictures)))
            outputs.append(np.concatenate([model.run({'image': bgr})[0] for bgr in seen]))
        self.rows[key] = {
            'bytes': self.file(key).stat().st_size,
            self.subject.metric: self.subject.judge(outputs),
            **extra,
        }
        content = {'origin': self.origin, 'rows': self.rows}
        part = self.folder / 'rows.part'
        part.write_text(json.dumps(content, indent=1), encoding='utf-8')
        os.replace(part, self.folder / 'rows.json')

    def times(self, keys: list[str]) -> dict[str, dict[str, float]]:
        """
        Take load and inference times of rows' first files, in milliseconds, in turns.

        ms_ratio: the median over the rounds of the time against float32's in the same round. With
        one thread it is the processor's time, which leaves out that others use the machine.
        """
        loads, runs = np.zeros((LOADS, len(keys))), np.zeros((ROUNDS, len(keys)))
        bgr = self.pictures[0].plain(0, self.size)[None]

        clock = time.process_time if self.threads == 1 else time.perf_counter

        def load(key: str) -> OnnxModel:
            return OnnxModel(str(self.file(key)), ['cpu'], self.threads)

        for row in tqdm(loads, 'load', unit='round'):
            row[:] = [taken_ms(clock, partial(load, key)) for key in keys]
        models = [load(key) for key in keys]
        for number in tqdm(range(-WARM_UP, ROUNDS), 'run', unit='round'):
            order = np.random.default_rng(abs(number)).permutation(len(keys))
            for i in order:  # none is always the first, or behind the same
                taken = taken_ms(clock, partial(models[i].run, {'image': bgr}))
                if number >= 0:
                    runs[number, i] = taken
        base = runs[:, keys.index(FLOAT)]
        return {
            key: {
                'load_ms': statistics.median(loads[:, i]),
                'ms': statistics.median(runs[:, i]),
                'ms_ratio': statistics.median(runs[:, i] / base),
            }
            for i, key in enumerate(keys)
        }


def taken_ms(clock: Callable[[], float], work: Callable[[], object]) -> float:
    """Milliseconds that `work` takes by a clock in seconds."""
    begin_s = clock()
    work()
    return 1000 * (clock() - begin_s)


def fingerprint(files: Iterator[Path]) -> str:
    """Tell files apart by their contents."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def wishes(few: list[int], more: list[int], names: Iterable[str] = tuple(LAYERS)) -> list[Wish]:
    """List all rows: `few` in all variants for these layers, `more` as they are."""
    whole = [Wish(layers, k, v) for layers in names for k in few for v in VARIANTS]
    rest = [Wish('all_layers', k, 'plain') for k in more]
    return sorted(whole + rest, key=lambda w: (w.layers, -w.clusters))
