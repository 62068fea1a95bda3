"""A training: from a job to best.pt and model.onnx in the run's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
import math
from pathlib import Path
from typing import Any

import cv2
from edge_vision.core.errors import UserError
from edge_vision.core.gesture import GestureModel
import numpy as np
from training.gesture.augment import Flips, make_flips, Strength
from training.gesture.checkpoint import load_checkpoint
from training.gesture.dataset import GestureItem, GestureSet
from training.gesture.export import write_model
from training.gesture.feed import Pictures
from training.gesture.fit import best_row
from training.gesture.fit import train as train_whole
from training.gesture.network import (
    CLASSIFICATION,
    GestureNet,
    make_network,
    REGRESSION,
    WIDTH,
)
from training.gesture.settings import Settings
from training.gesture.split import split
from training.gesture.start import init_weights, read_model_weights
from training.studio.features import FeatureStore, views_of
from training.studio.files import write_json
from training.studio.head import Sample, train_head
from training.studio.layout import CLASSIFICATION as CLASSES
from training.studio.plan import HELD_BACK, pictures_of
from training.studio.project import Project
from training.studio.report import Report, Stop, Stopped
from training.studio.work_check import project_of

STOPPED = 'Stopped; go on takes it up here.'
GENTLE = 0.3  # rate of a backbone that has learned before, as a share of the last layer's
NO_IMAGENET = (
    'The ImageNet weights cannot be had here (they come over the network, once); start'
    ' from the shipped net, from an earlier model or from nothing.'
)


@dataclass(frozen=True)
class Lesson:
    """What a training consists of."""

    folder: Path
    data: GestureSet
    val: GestureSet
    settings: Settings
    flips: Flips
    job: dict[str, Any]
    report: Report
    stop: Stop


class NotMirrored(Pictures):
    """Pictures whose left and right mean something."""

    def sample(self, rng: np.random.Generator, index: int, side: int, strength: Strength):
        """Make one augmented picture, never mirrored."""
        return super().sample(rng, index, side, replace(strength, flip=0.0))


def gesture_set(project: Project, sets: list[str], labels: tuple[str, ...] = ()) -> GestureSet:
    """Give the labelled pictures of data sets as train_gesture reads them."""
    rows = pictures_of(project, sets)
    files = [project.path_of(row['set'], row['file']) for row in rows]
    if project.kind == CLASSES:
        names = labels or tuple(sorted({row['label'] for row in rows}))
        none = np.zeros((0, 2), np.float32)
        items = [
            GestureItem(file, names.index(row['label']), none)
            for file, row in zip(files, rows)
            if row['label'] in names
        ]
        return GestureSet(CLASSIFICATION, names, tuple(items))
    names = tuple(project.layout.points)
    points = [np.array([row['points'][n] for n in names], np.float32) for row in rows]
    return GestureSet(
        REGRESSION, names, tuple(GestureItem(file, -1, own) for file, own in zip(files, points))
    )


def pairs_of(labels: tuple[str, ...]) -> str:
    """Pair labels that differ in left and right only: a mirror makes one of the other."""
    pairs = []
    for name in labels:
        other = name.lower().replace('left', 'right')
        match = next((n for n in labels if n.lower() == other and n != name), None)
        if 'left' in name.lower() and match:
            pairs.append(f'{name}={match}')
    return ','.join(pairs)


def divided(project: Project, job: dict[str, Any]) -> tuple[GestureSet, GestureSet]:
    """Give what is trained on and what is checked on."""
    data = gesture_set(project, job['sets'])
    if job['check']:
        val = gesture_set(project, [job['check']], data.labels)
        if not val.items:
            raise UserError(f"The data set '{job['check']}' has no picture of these labels.")
        return data, val
    return split(data, HELD_BACK)


def start_network(
    task: str, labels: tuple[str, ...], job: dict[str, Any]
) -> tuple[GestureNet, int]:
    """Make the network with the weights to start from; gives it with the side of its pictures."""
    if not job['start_file']:
        model = make_network(task, len(labels), job['start'], job['width'])
        if job['start'] == 'imagenet' and not model.pretrained:
            raise UserError(NO_IMAGENET)
        return model, job['size']
    file = Path(job['start_file'])
    first = read_model_weights(file).get('conv1.weight')
    model = make_network(task, len(labels), 'none', WIDTH if first is None else len(first))
    init_weights(model, labels, file)
    return model, GestureModel(str(file)).input_wh[0]


def train(folder: Path, job: dict[str, Any], report: Report, stop: Stop) -> None:
    """Train as the job says, going on where an earlier part of it was kept."""
    cv2.setNumThreads(1)
    report.say('reading the pictures')
    project = project_of(folder)
    data, val = divided(project, job)
    counts = dict(zip(data.labels, data.counts))
    report.say(
        'reading the pictures',
        labels=list(data.labels),
        task=data.task,
        counts={k: int(v) + int(h) for (k, v), h in zip(counts.items(), val.counts)},
    )
    write_json(
        folder / 'held.json',
        [] if job['check'] else [found_at(project, item.file, job['sets']) for item in val.items],
    )
    flips = make_flips(data.labels, pairs_of(data.labels))
    model, size = start_network(data.task, data.labels, job)
    settings = Settings(
        epochs=job['epochs'],
        lr=job['rate'],
        size=size,
        width=model.width,
        start_size=min(128, size),
        val_every=1,
        repeat=job['repeat'],
        backbone_lr=GENTLE if model.pretrained else 1.0,
    )
    lesson = Lesson(folder, data, val, settings, flips, job, report, stop)
    if not (learn_head(lesson, model) if job['head_only'] else learn_all(lesson)):
        raise Stopped(STOPPED)
    report.say('writing the model', done=1.0, left_s=None)
    state = load_checkpoint(folder / 'best.pt')
    part = folder / 'model.part'
    write_model(state, part)
    part.replace(folder / 'model.onnx')
    best = best_row(state['history']) or {}
    score = {k: best[k] for k in ('accuracy', 'error_px', 'within_20_px') if k in best}
    report.end('done', 'trained', score={**score, 'pictures': len(val.items)})


def found_at(project: Project, file: Path, sets: list[str]) -> tuple[str, str]:
    """Name a file by data set and place in it."""
    for name in sets:
        if file.is_relative_to(project.place_of(name)):
            return name, file.relative_to(project.place_of(name)).as_posix()
    return '', file.name


def row_teller(report: Report):
    """Give what tells an epoch to the page."""

    def tell(row: dict) -> None:
        row = {k: v for k, v in row.items() if not isinstance(v, float) or math.isfinite(v)}
        shown = ('epoch', 'loss', 'accuracy', 'error_px', 'within_20_px', 'log_loss')
        report.state.update(
            done=row['done'], left_s=row.get('left_s'), sentence=f'epoch {row["epoch"]}'
        )
        report.row({k: row[k] for k in shown if k in row})

    return tell


def learn_head(lesson: Lesson, model: GestureNet) -> bool:
    """Train the last layer on kept features; False where stopped."""
    data, val, mirror = lesson.data, lesson.val, lesson.job['mirror']
    store = FeatureStore(
        lesson.folder.parents[1] / 'features', model, lesson.settings.size, mirror
    )
    total = len(data.items) + len(val.items)

    def progress(before: int) -> Callable[[int], None]:
        def tell(done: int) -> None:
            if lesson.stop.is_set():
                raise Stopped(STOPPED)
            seen = before + done
            lesson.report.progress(f'looking at picture {seen + 1} of {total}', seen / total)

        return tell

    views = store.views(data, lesson.flips, views_of(len(data.items)), progress(0))
    plain = store.views(val, lesson.flips, 1, progress(len(data.items)))
    return train_head(
        model,
        Sample(data, views, lesson.flips, mirror),
        Sample(val, plain, lesson.flips, False),
        lesson.settings,
        lesson.folder,
        row_teller(lesson.report),
        lesson.stop,
    )


def learn_all(lesson: Lesson) -> bool:
    """Train all layers, as train_gesture does; False where stopped."""
    lesson.report.say('decoding the pictures')
    kind = Pictures if lesson.job['mirror'] else NotMirrored
    pictures = kind(lesson.data, lesson.settings.size, lesson.flips, quiet=True)
    tell = row_teller(lesson.report)
    for row in history_kept(lesson.folder):  # an end may come between keeping and telling
        tell(row)
    lesson.report.say('the first epoch is at work; then its pace tells the time left')
    start = lesson.job['start_file']
    train_whole(
        lesson.data,
        lesson.val,
        lesson.settings,
        lesson.folder,
        pictures=pictures,
        init=Path(start) if start else None,
        weights='none' if start else lesson.job['start'],
        on_epoch=tell,
        stop=lesson.stop,
        quiet=True,
    )
    return not lesson.stop.is_set() or len(history_kept(lesson.folder)) >= lesson.settings.epochs


def history_kept(folder: Path) -> list[dict]:
    """Give the rows of the epochs after which the training was kept."""
    file = folder / 'last.pt'
    return list(load_checkpoint(file)['history']) if file.is_file() else []
