"""The pages of the compression report: docs/compression.md, its JSON and its pictures."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot
from matplotlib.ticker import ScalarFormatter
import numpy as np
from training.sharing.packing import bits_per_weight
from training.sharing.rows import FLOAT, LAYERS, VARIANTS
from training.sharing.shared import share

WORDS = {'plain': 'plain', 'zeroed': 'zeroed', 'tuned': 'fine-tuned'}
TITLES = {'all_layers': 'All layers but the first', 'last_layer': 'The last layer only'}
METRICS = {
    'error_px': 'mean error of the tip of the {point}, in pixels of a 640 x 480 picture',
    'accuracy': 'share of pictures told right',
}
DOTS = 600  # of a layer's weights in a picture
SIZES_MB = (2, 5, 10, 20, 50)  # marked in a plot

Rows = Mapping[str, Mapping[str, float]]
Times = Mapping[str, Mapping[str, float]]


def tables_of(rows: Rows, times: Times, metric: str) -> dict[str, dict[str, dict]]:
    """
    Arrange rows by layers and number of values.

    An entry has bytes, load_ms, ms, ms_ratio (to float32), the metric of its best prepared
    variant (the tuned one, where there is one), and by variant the metric and the share of zeros.
    """
    result: dict[str, dict[str, dict]] = {}
    for layers in LAYERS:
        table: dict[str, dict] = {FLOAT: {**rows[FLOAT], **times[FLOAT], 'times_smaller': 1.0}}
        for clusters in sorted({int(k.split('_')[2]) for k in rows if k.startswith(layers)}):
            found = {v: rows.get(f'{layers}_{clusters}_{v}') for v in VARIANTS}
            best = 'tuned' if found['tuned'] else 'plain'
            entry: dict = {**(found[best] or {}), **times[f'{layers}_{clusters}_{best}']}
            entry.pop('sparsity')
            entry['variant'] = best
            entry['times_smaller'] = rows[FLOAT]['bytes'] / entry['bytes']
            for variant, row in found.items():
                if row:
                    entry[variant] = {k: row[k] for k in (metric, 'sparsity')}
            table[str(clusters)] = entry
        result[layers] = table
    return rounded(result)


def rounded(found: dict) -> dict:
    """Keep four digits behind the point of all numbers, in dictionaries within as well."""
    plain = {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}
    return {k: rounded(v) if isinstance(v, dict) else v for k, v in plain.items()}


def write_json(docs: Path, subjects: dict[str, dict], command: str) -> None:
    """Write compression.json: each subject, and on top the tables with the figures of all."""
    merged: dict[str, dict[str, dict]] = {layers: {} for layers in LAYERS}
    for subject in reversed(subjects.values()):  # the first one's bytes and times stay
        for layers in LAYERS:
            for key, entry in subject[layers].items():
                merged[layers].setdefault(key, {}).update(
                    {k: v for k, v in entry.items() if not isinstance(v, dict)}
                )
    text = json.dumps({'command': command, **merged, **subjects}, indent=1)
    (docs / 'compression.json').write_text(text + '\n', encoding='utf-8')


def line_of(key: str, entry: dict, metric: str) -> str:
    """One line of a table in Markdown."""
    digits = 1 if metric == 'error_px' else 3
    bits = 32.0 if key == FLOAT else bits_per_weight(int(key))
    cells = [key, f'{bits:g}', f'{entry["bytes"] / 1e6:.2f}', f'{entry["times_smaller"]:.1f}']
    cells += [f'{entry["load_ms"]:.0f}', f'{entry["ms"]:.1f}', f'{entry["ms_ratio"]:.3f}']
    if key == FLOAT:
        cells += [f'{entry[metric]:.{digits}f}', '', '']
    for variant in VARIANTS if key != FLOAT else ():
        cell = f'{entry[variant][metric]:.{digits}f}' if variant in entry else ''
        if variant == 'zeroed' and cell:
            cell += f' ({entry[variant]["sparsity"]:.0%} zeros)'
        cells.append(cell)
    return '| ' + ' | '.join(cells) + ' |'


HEAD = (
    '| values | bits | file, MB | times smaller | load, ms | ms | of float32 | plain | zeroed'
    ' | fine-tuned |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |'
)


def write_page(docs: Path, subjects: dict[str, dict], command: str) -> None:
    """Write compression.md: how to use it, and the tables."""
    lines = [(Path(__file__).parent / 'intro.md').read_text(encoding='utf-8').strip(), '']
    lines += ['## Figures', '', 'Written, with the pictures and `compression.json`, by', '']
    lines += [f'    {command}', '']
    lines += [
        '*zeroed*: the value nearest zero was made zero. *fine-tuned*: the shared values, biases'
        ' and batch norms were trained on. Load and inference times are medians in ONNX Runtime'
        ' with one thread, all files in turns; *of float32* is the median of the ratios within a'
        ' turn. Compare ratios, not machines.'
    ]
    for name, subject in subjects.items():
        metric = subject['metric']
        title = name.replace('_', ' ').capitalize()
        by = 'the network' if subject['networks'] == 1 else f'{subject["networks"]} networks'
        lines += ['', f'### {title}', '', f'The figure is the {subject["means"]}, of {by} on']
        lines[-1] += f' {subject["judged_on"]} pictures not seen in training.'
        if metric == 'error_px':
            lines[-1] += ' Fine-tuning was for all points together, not for this one alone.'
        for layers, title in TITLES.items():
            if len(subject[layers]) == 1:
                continue  # float32 alone
            lines += ['', f'**{title}**', '', HEAD]
            lines += [line_of(key, entry, metric) for key, entry in subject[layers].items()]
    lines += ['', '![The figure against the size of the file](compression.png)', '']
    lines += ['## What it looks like', '']
    lines += ['Weights of the last layer (one dot each) and the values they share:', '']
    lines += ['![Weights and their shared values](compression_weights.png)', '']
    lines += ['Histograms of the largest layer, before (grey) and after:', '']
    lines += ['![Histogram before and after](compression_histogram.png)', '']
    (docs / 'compression.md').write_text('\n'.join(lines), encoding='utf-8')


def draw_sizes(subjects: dict[str, dict], file: Path) -> None:
    """Draw the figure of all layers against the size, for each variant."""
    figure, axes = pyplot.subplots(
        1, len(subjects), figsize=(5.2 * len(subjects), 3.4), layout='constrained', squeeze=False
    )
    for axis, (name, subject) in zip(axes[0], subjects.items(), strict=True):
        table, metric = subject['all_layers'], subject['metric']
        base = table[FLOAT]
        for variant in VARIANTS:
            found = [e for e in table.values() if variant in e]
            places = [e['bytes'] / 1e6 for e in found]
            axis.plot(places, [e[variant][metric] for e in found], 'o-', label=WORDS[variant])
        axis.plot(base['bytes'] / 1e6, base[metric], 'k*', label=FLOAT, markersize=10)
        for key, entry in table.items():
            if 'plain' in entry:
                place = (entry['bytes'] / 1e6, entry['plain'][metric])
                axis.annotate(key, place, textcoords='offset points', xytext=(3, 4), fontsize=8)
        axis.set(xscale='log', xlabel='file, MB', ylabel=metric.replace('_', ', '), title=name)
        axis.set_xticks(SIZES_MB, [str(size) for size in SIZES_MB])
        axis.minorticks_off()
        if metric == 'error_px':
            axis.set_yscale('log')
            axis.yaxis.set_major_formatter(ScalarFormatter())
            axis.yaxis.set_minor_formatter(ScalarFormatter())
        axis.grid(alpha=0.3, which='both')
    axes[0][0].legend()
    figure.savefig(file, dpi=80)
    pyplot.close(figure)


def draw_weights(weight: np.ndarray, file: Path, clusters: tuple[int, ...] = (3, 16)) -> None:
    """Draw some weights of a layer as dots in their cluster's colour, and the shared values."""
    flat = weight.reshape(-1)
    some = np.linspace(0, flat.size - 1, min(DOTS, flat.size)).astype(int)
    figure, axes = pyplot.subplots(
        1, len(clusters), figsize=(10.4, 3.6), sharey=True, layout='constrained'
    )
    for axis, k in zip(np.atleast_1d(axes), clusters):
        shared = share(weight, k)
        axis.scatter(
            some, flat[some], s=5, c=shared.index.reshape(-1)[some] % 10, cmap='tab10', alpha=0.7
        )
        for value in shared.table[0]:
            axis.axhline(value, color='black', linewidth=0.7)
        axis.set(title=f'{k} shared values', xlabel='weight')
    np.atleast_1d(axes)[0].set_ylabel('value')
    figure.savefig(file, dpi=80)
    pyplot.close(figure)


def draw_histogram(weight: np.ndarray, file: Path, clusters: tuple[int, ...] = (3, 16)) -> None:
    """Draw how often each value occurs, before and after."""
    figure, axes = pyplot.subplots(1, len(clusters), figsize=(10.4, 3.2), layout='constrained')
    for axis, k in zip(np.atleast_1d(axes), clusters):
        shared = share(weight, k)
        centres = shared.table[0]
        reach = float(np.quantile(np.abs(weight), 0.9995))  # a few are far out
        axis.hist(weight.reshape(-1), 160, range=(-reach, reach), color='tab:gray', alpha=0.6)
        axis.set(title=f'{k} shared values', xlabel='value', ylabel='weights, before')
        after = axis.twinx()
        after.vlines(centres, 0, np.bincount(shared.index.reshape(-1), minlength=k))
        after.set(ylim=(0, None), ylabel='weights, after')
    figure.savefig(file, dpi=80)
    pyplot.close(figure)
