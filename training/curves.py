"""Loss and AP curves of a run, as CSV and PNG."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot


def write_curves(out: Path, history: list[dict]) -> None:
    """Write curves.csv and curves.png from one dict per epoch."""
    names = list(dict.fromkeys(name for row in history for name in row))
    with open(out / 'curves.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout='constrained')
    for axis, wanted, title in (
        (left, ('class', 'box'), 'loss'),
        (right, ('ap50', 'ap'), 'average precision'),
    ):
        for name in wanted:
            points = [(row['epoch'], row[name]) for row in history if name in row]
            if points:
                axis.plot(*zip(*points), label=name)
        axis.set(title=title, xlabel='epoch')
        axis.grid(alpha=0.3)
    figure.savefig(out / 'curves.png', dpi=100)
    pyplot.close(figure)
