"""Pictures of a run: its curves, the confusion matrix, predicted against true points."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib.figure import Figure

PLAIN = (int, float, str, bool)


def write_curves(out: Path, history: list[dict]) -> None:
    """Write curves.csv and curves.png from one dict per epoch."""
    rows = [{k: v for k, v in row.items() if isinstance(v, PLAIN)} for row in history]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(out / 'curves.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    # Not through pyplot, which is not for threads other than the first: the studio trains in one.
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
