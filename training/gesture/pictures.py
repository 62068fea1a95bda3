"""Pictures of a run: its curves, the confusion matrix, predicted against true points."""

from __future__ import annotations

from collections.abc import Sequence
import csv
import math
from pathlib import Path
from typing import Any

# Not through pyplot, which is not for threads other than the first: the studio trains in one.
from matplotlib.figure import Figure
import numpy as np
from training.gesture.feed import Pictures

SHOWN, COLUMNS = 12, 4  # pictures of points
PLAIN = (int, float, str, bool)


def write_curves(out: Path, history: list[dict]) -> None:
    """Write curves.csv and curves.png from one dict per epoch."""
    rows = [{k: v for k, v in row.items() if isinstance(v, PLAIN)} for row in history]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(out / 'curves.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    figure = Figure(figsize=(9, 3.2), layout='constrained')
    left, right = figure.subplots(1, 2)
    for axis, wanted in ((left, ('loss',)), (right, ('accuracy', 'error_px'))):
        for name in wanted:
            points = [(row['epoch'], row[name]) for row in rows if name in row]
            if points:
                axis.plot(*zip(*points), label=name)
                axis.set_title(name)
        axis.set_xlabel('epoch')
        axis.grid(alpha=0.3)
    figure.savefig(out / 'curves.png', dpi=100)


def write_confusion(file: Path, matrix: list[list[int]], labels: Sequence[str]) -> None:
    """Draw how many pictures of each true class (rows) were taken for which (columns)."""
    side = 2.0 + 0.7 * len(labels)
    figure = Figure(figsize=(side + 0.8, side), layout='constrained')
    axis = figure.subplots()
    axis.imshow(matrix, cmap='Blues')
    most = max(max(row) for row in matrix)
    for y, row in enumerate(matrix):
        for x, count in enumerate(row):
            colour = 'white' if count > most / 2 else 'black'
            axis.text(x, y, str(count), ha='center', va='center', color=colour)
    axis.set_xticks(range(len(labels)), labels, rotation=30, ha='right')
    axis.set_yticks(range(len(labels)), labels)
    axis.set(xlabel='said', ylabel='true')
    figure.savefig(file, dpi=100)


def write_points(file: Path, pictures: Pictures, outputs: np.ndarray) -> None:
    """Draw predicted points (crosses) against true ones (circles) on some of the pictures."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SHOWN).astype(int))
    figure = Figure(figsize=(2.4 * COLUMNS, 1.9 * math.ceil(len(chosen) / COLUMNS)))
    for place, index in enumerate(chosen):
        axis = figure.add_subplot(math.ceil(len(chosen) / COLUMNS), COLUMNS, place + 1)
        bgr = pictures.bgr[index]
        size_wh = np.array(bgr.shape[1::-1])
        axis.imshow(bgr[..., ::-1])
        points = zip(pictures.set.items[index].points, outputs[index], pictures.set.labels)
        for number, (true, said, name) in enumerate(points):
            style: dict[str, Any] = {
                'color': f'C{number + 1}',
                'markersize': 8,
                'linestyle': 'none',
            }
            axis.plot(*(true * size_wh), marker='o', fillstyle='none', **style)
            axis.plot(*(said * size_wh), marker='x', label=name, **style)
        axis.set_axis_off()
    figure.legend(*axis.get_legend_handles_labels(), loc='lower center', ncols=4)
    figure.subplots_adjust(0.01, 0.08, 0.99, 0.99, 0.03, 0.03)
    figure.savefig(file, dpi=80)
