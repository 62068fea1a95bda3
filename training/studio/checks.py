"""The check of a model on pictures, by the labels that these have now."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from edge_vision.core.errors import UserError
from training.studio.files import read_json
from training.studio.layout import CLASSIFICATION
from training.studio.project import Project

CAMERA_WH = (640, 480)  # the picture in whose pixels distances are told
NEAR_PX = 20.0
MOST_WORST = 60


def current_labels(project: Project) -> dict[tuple[str, str], dict[str, Any]]:
    """Give what is there now, by data set and file name."""
    return {
        (name, row['file']): row for name in project.layout.sets for row in project.pictures(name)
    }


def followed(there: dict, name: str, file: str) -> dict[str, Any] | None:
    """Find a picture, also in another category than when it was checked; None if deleted."""
    if (name, file) in there:
        return there[name, file]
    base = file.rpartition('/')[2]
    moved = [
        row
        for (one, other), row in there.items()
        if one == name and other.rpartition('/')[2] == base
    ]
    return moved[0] if len(moved) == 1 else None


def checked_run(project: Project, folder: Path) -> dict[str, Any]:
    """
    Give the check of a training: figures, confusion matrix and the worst pictures first.

    The figures are of the pictures that were held back, and of all.
    """
    said = read_json(folder / 'said.json', None)
    if said is None:
        raise UserError('This training was not checked yet.')
    there = current_labels(project)
    rows = []
    for one in said['pictures']:
        now = followed(there, one['set'], one['file'])
        if now is not None:
            rows.append({**one, 'file': now['file'], 'now': now})
    judge = judged_classes if project.kind == CLASSIFICATION else judged_points
    return judge(rows, said['labels'])


def judged_classes(rows: list[dict], labels: list[str]) -> dict[str, Any]:
    """Judge probabilities."""
    names = list(dict.fromkeys([*labels, *(row['now']['label'] for row in rows)]))
    for row in rows:
        best = max(range(len(labels)), key=lambda i: row['numbers'][i])
        row['guess'], row['score'] = labels[best], row['numbers'][best]
        row['label'] = row['now']['label']
        row['right'] = row['guess'] == row['label']
        mine = row['numbers'][labels.index(row['label'])] if row['label'] in labels else 0.0
        row['badness'] = 1 - mine
    return {
        'labels': names,
        'figures': figures(
            rows, lambda some: {'accuracy': sum(row['right'] for row in some) / len(some)}
        ),
        'confusion': {kind: matrix_of(some, names) for kind, some in parts(rows).items()},
        'worst': worst(rows),
    }


def matrix_of(rows: list[dict], names: list[str]) -> list[list[int]]:
    """Count pictures: row is the label, column what was said."""
    matrix = [[0] * len(names) for _ in names]
    for row in rows:
        matrix[names.index(row['label'])][names.index(row['guess'])] += 1
    return matrix


def judged_points(rows: list[dict], labels: list[str]) -> dict[str, Any]:
    """Judge points by their distance in pixels of a picture of 640x480."""
    judged = []
    for row in rows:
        truth = row['now']['points']
        far = [
            math.hypot(*((g - t) * side for g, t, side in zip(guess, truth[name], CAMERA_WH)))
            for name, guess in zip(labels, row['numbers'])
            if name in truth
        ]
        if far:
            row.update(
                points=truth, guess=dict(zip(labels, row['numbers'])), error_px=sum(far) / len(far)
            )
            row['badness'] = row['error_px']
            row['right'] = row['error_px'] <= NEAR_PX
            judged.append(row)
    return {
        'labels': labels,
        'figures': figures(
            judged,
            lambda some: {
                'error_px': sum(row['error_px'] for row in some) / len(some),
                'within_20_px': sum(row['right'] for row in some) / len(some),
            },
        ),
        'worst': worst(judged),
    }


def parts(rows: list[dict]) -> dict[str, list[dict]]:
    """Divide into those held back and all."""
    held = [row for row in rows if row['held']]
    return {'held back': held, 'all': rows} if held else {'all': rows}


def figures(rows: list[dict], judge) -> dict[str, dict]:
    """Give the figures of each part."""
    return {
        kind: {'pictures': len(some), **(judge(some) if some else {})}
        for kind, some in parts(rows).items()
    }


def worst(rows: list[dict]) -> list[dict]:
    """Give the worst pictures, worst first, as the page shows them."""
    kept = ('set', 'file', 'held', 'label', 'guess', 'score', 'points', 'error_px', 'right')
    ordered = sorted(rows, key=lambda row: -row['badness'])[:MOST_WORST]
    return [{name: row[name] for name in kept if name in row} for row in ordered]
