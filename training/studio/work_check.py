"""Let a model look at all labelled pictures of a project; needs no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_vision.core.errors import UserError
from edge_vision.core.gesture import GestureModel
import numpy as np
from training.studio.checks import checked_run
from training.studio.files import read_json, write_json
from training.studio.images import decoded
from training.studio.plan import pictures_of
from training.studio.project import Project
from training.studio.report import Report, Stop, Stopped

THREADS = 0  # all cores, nicely


def project_of(folder: Path) -> Project:
    """Open the project that a run belongs to."""
    return Project(folder.parents[2], sweeping=False)


def held_back(folder: Path) -> set[tuple[str, str]]:
    """Give the pictures that the training did not see, by data set and file name."""
    return {(name, file) for name, file in read_json(folder / 'held.json', [])}


def look_at(model: GestureModel, file: Path) -> list:
    """Give what a model says of a picture."""
    return np.round(model.infer(model.prepare(decoded(file.read_bytes()))), 5).tolist()


def check(folder: Path, job: dict[str, Any], report: Report, stop: Stop) -> None:
    """Write said.json: what the model says of each labelled picture of the job's data sets."""
    model = GestureModel(str(folder / 'model.onnx'), threads=THREADS)
    project = project_of(folder)
    names = [name for name in [*job['sets'], job['check']] if name in project.layout.sets]
    rows, held, said = pictures_of(project, names), held_back(folder), []
    for i, row in enumerate(rows):
        if stop.is_set():
            raise Stopped('The check was stopped.')
        report.progress(f'looking at picture {i + 1} of {len(rows)}', i / len(rows))
        try:
            numbers = look_at(model, project.path_of(row['set'], row['file']))
        except (UserError, OSError, ValueError):
            continue  # deleted meanwhile, or damaged
        is_held = row['set'] == job['check'] or (row['set'], row['file']) in held
        said.append({'set': row['set'], 'file': row['file'], 'numbers': numbers, 'held': is_held})
    write_json(folder / 'said.json', {'labels': list(model.labels), 'pictures': said})
    figures = checked_run(project, folder)['figures']
    report.end('done', f'{len(said)} pictures were checked', done=1.0, figures=figures)
