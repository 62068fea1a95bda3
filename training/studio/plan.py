"""What a training is asked for: checked before its process starts, and kept as job.json."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
from typing import Any

from edge_vision.core.errors import UserError
from training.studio.layout import CLASSIFICATION
from training.studio.project import Project

LEAST_PICTURES = 3  # of each category, or of points: less leaves nothing to check on
MOST_EPOCHS = 2000
HELD_BACK = 0.2


def number_of(wish: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    """Give a number of the request within its limits."""
    value = wish.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"'{name}' must be a number from {low:g} to {high:g}.")
    if not low <= value <= high:
        raise UserError(f"'{name}' is {value:g}, and must be from {low:g} to {high:g}.")
    return value


def pictures_of(project: Project, sets: list[str]) -> list[dict[str, Any]]:
    """Give the labelled pictures of data sets, as set, file and label or points."""
    found = []
    for name in sets:
        for row in project.pictures(name):
            if project.kind == CLASSIFICATION or len(row['points']) == len(project.layout.points):
                found.append({'set': name, **row})
    return found


def job_of(
    project: Project, wish: dict[str, Any], model_file: Callable[[object], Path]
) -> dict[str, Any]:
    """
    Check a wish to train; UserError in one sentence where it cannot work.

    wish: sets to train on; check: a data set to check on, or '' to hold pictures back; start: a
    model as the page names it, 'imagenet' or 'none'; head_only; epochs; rate.
    """
    project.refresh()
    sets = wish.get('sets')
    if not isinstance(sets, list) or not sets:
        raise UserError('Choose at least one data set to train on.')
    for name in [*sets, *filter(None, [wish.get('check')])]:
        project.place_of(name)
    if wish.get('check') in sets:
        raise UserError(f"'{wish['check']}' is trained on; check on another data set.")
    rows = pictures_of(project, sets)
    counts: dict[str, int] = {}
    if project.kind == CLASSIFICATION:
        counts = {
            name: sum(row['label'] == name for row in rows) for name in project.layout.categories
        }
        counts = {name: count for name, count in counts.items() if count}
        if len(counts) < 2:
            raise UserError(
                'A training needs pictures of at least two categories'
                f' ({", ".join(counts) or "none"} so far).'
            )
    else:
        counts = {'labelled pictures': len(rows)}
    few = [name for name, count in counts.items() if count < LEAST_PICTURES]
    if few:
        raise UserError(
            f"'{few[0]}' has {counts[few[0]]} picture"
            f'{"" if counts[few[0]] == 1 else "s"}; collect at least {LEAST_PICTURES},'
            ' better twenty.'
        )
    start = wish.get('start', 'none')
    if start not in ('none', 'imagenet'):
        model_file(start)
    head_only = bool(wish.get('head_only'))
    if head_only and start == 'none':
        raise UserError('With no weights to start from, the whole net has to learn.')
    return {
        'kind': project.kind,
        'sets': sets,
        'check': wish.get('check') or '',
        'start': start,
        'start_file': '' if start in ('none', 'imagenet') else str(model_file(start)),
        'head_only': head_only,
        'mirror': bool(wish.get('mirror', True)),
        'epochs': int(number_of(wish, 'epochs', 150 if head_only else 20, 1, MOST_EPOCHS)),
        'rate': number_of(wish, 'rate', 0.03 if head_only else 1e-3, 1e-6, 1.0),
        'size': int(number_of(wish, 'size', 224, 32, 224)),
        'width': int(number_of(wish, 'width', 64, 4, 64)),
        'repeat': int(number_of(wish, 'repeat', 0, 0, 100)),
    }
