"""Make a trained model smaller: its weights share 16, 8, 3 or 2 values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from edge_vision.core.gesture import GestureModel
import numpy as np
import onnx
from training.cluster import share_layers
from training.gesture.checkpoint import load_checkpoint
from training.sharing.graph import with_shared
from training.sharing.layers import read_model
from training.sharing.tasks import GestureTask
from training.sharing.tune import TuneSettings
from training.sharing.tuned import tuned
from training.studio.checks import CAMERA_WH
from training.studio.files import read_json, write_whole
from training.studio.images import decoded
from training.studio.report import Report, Stop, Stopped
from training.studio.work_check import held_back, project_of
from training.studio.work_train import gesture_set

CLUSTERS = (16, 8, 3, 2)


def compress(folder: Path, job: dict[str, Any], report: Report, stop: Stop) -> None:
    """Write model_K.onnx for each K, with its size and how good it is on what was held back."""
    wish = read_json(folder / 'compress_wish.json', {})
    model = read_model(folder / 'model.onnx')
    held = checked_pictures(folder, job)
    rows = [row_of(folder / 'model.onnx', 0, held)]
    report.say('the model as it is', sizes=rows)
    task = None
    for i, k in enumerate(CLUSTERS):
        if stop.is_set():
            raise Stopped('The compression was stopped.')
        report.progress(f'{k} shared values', (i + 0.05) / len(CLUSTERS))
        layers = share_layers(model, ['all'], k, quiet=True)
        done: onnx.ModelProto = with_shared(model, layers)
        if wish.get('tune'):
            if task is None:
                state = load_checkpoint(folder / 'best.pt')
                images = gesture_set(project_of(folder), job['sets'], tuple(state['labels']))
                task = GestureTask(state, images, quiet=True)
            report.progress(f'{k} shared values: tuning them', (i + 0.2) / len(CLUSTERS))
            done, _, _ = tuned(model, layers, task, TuneSettings(int(wish['tune'])), quiet=True)
        file = folder / f'model_{k}.onnx'
        write_whole(file, done.SerializeToString(), 'the compressed model')
        rows.append(row_of(file, k, held))
        report.say(f'{k} shared values', sizes=rows, done=(i + 1) / len(CLUSTERS))
    report.end('done', 'compressed', sizes=rows, done=1.0)


def checked_pictures(folder: Path, job: dict[str, Any]) -> list[tuple[np.ndarray, dict]]:
    """Give the pictures to judge on, with their labels: held back, else all."""
    project = project_of(folder)
    held = held_back(folder)
    names = [job['check']] if job['check'] else job['sets']
    found = []
    for name in names:
        for row in project.pictures(name) if name in project.layout.sets else []:
            if row.get('label') or row.get('points'):
                if job['check'] or not held or (name, row['file']) in held:
                    data = project.path_of(name, row['file']).read_bytes()
                    found.append((decoded(data), row))
    return found


def row_of(file: Path, k: int, pictures: list[tuple[np.ndarray, dict]]) -> dict[str, Any]:
    """Give the size of a model file and how good it is."""
    model = GestureModel(str(file), threads=0)
    row: dict[str, Any] = {'k': k, 'bytes': file.stat().st_size, 'pictures': len(pictures)}
    right, far = [], []
    for bgr, truth in pictures:
        numbers = model.infer(model.prepare(bgr))
        if 'label' in truth:
            right.append(model.labels[int(numbers.argmax())] == truth['label'])
        else:
            far += [
                math.dist(
                    *(
                        [v * s for v, s in zip(xy, CAMERA_WH)]
                        for xy in (guess, truth['points'][name])
                    )
                )
                for name, guess in zip(model.labels, numbers)
                if name in truth['points']
            ]
    if right:
        row['accuracy'] = float(np.mean(right))
    if far:
        row['error_px'] = float(np.mean(far))
    return row
