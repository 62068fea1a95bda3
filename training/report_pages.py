"""The pages of the detector's report: docs/detector.json, docs/detector.md and its plots."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot

if TYPE_CHECKING:
    from training.report_detector import Variant

AXES = {
    'params': 'parameters, millions',
    'macs': 'multiply-adds, millions',
    'bytes': 'file, MB',
    'ms': 'ms a picture',
}
KEYS = ('ap50', 'ap', 'params', 'macs', 'bytes', 'ms')
COLOURS = {'taylor': 'tab:blue', 'magnitude': 'tab:orange', 'random': 'tab:grey'}


def averaged(variants: list[Variant]) -> dict:
    """Figures of one model; of several seeds of it the mean, and each seed's AP50."""
    first = variants[0].found
    found = {key: mean(v.found[key] for v in variants) for key in KEYS if key in first}
    found = {k: round(v, 4) if k in ('ap50', 'ap', 'ms') else round(v) for k, v in found.items()}
    if 'before' in first:
        early = [v.found['before'] for v in variants]
        found['before'] = {k: round(mean(e[k] for e in early), 4) for k in ('ap50', 'ap')}
    if len(variants) > 1:
        found['ap50_by_seed'] = [v.found['ap50'] for v in variants]
    if 'in_float' in first:
        found['in_float'] = first['in_float']
    return found


def as_json(variants: list[Variant], command: str) -> dict:
    """Group the figures: pruning by criterion and percent, quantized, against."""
    base = averaged([v for v in variants if v.group == 'base'])
    result: dict = {'command': command, 'pruning': {'base': base}}
    for group in dict.fromkeys(v.group for v in variants if v.group != 'base'):
        mine = [v for v in variants if v.group == group]
        place = result if group in ('quantized', 'against') else result['pruning']
        place[group] = {
            name: averaged([v for v in mine if v.name == name])
            for name in dict.fromkeys(v.name for v in mine)
        }
    return result


def row(name: str, found: dict, base: dict) -> str:
    """One line of a table."""
    before = f'{found["before"]["ap50"]:.3f}' if 'before' in found else ''
    cells = [name, before, f'{found["ap50"]:.3f}', f'{found["ap50"] / base["ap50"]:.0%}']
    cells += [f'{found["ap"]:.3f}']
    for key, unit in (('params', 1e6), ('macs', 1e6), ('bytes', 1e6)):
        cells.append(f'{found[key] / unit:.{0 if key == "macs" else 2}f}' if key in found else '')
    cells += [f'{found["ms"]:.2f}', f'{base["ms"] / found["ms"]:.2f}']
    return '| ' + ' | '.join(cells) + ' |'


HEAD = (
    '| model | AP50 at once | AP50 | of the base | AP | parameters, M | multiply-adds, M'
    ' | file, MB | ms | times as fast |\n'
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |'
)


def page(result: dict, table: str) -> str:
    """Write the page in Markdown."""
    pruning, base = result['pruning'], result['pruning']['base']
    lines = [
        '# The person detector in figures',
        '',
        'Written by one command, which also draws the plots and writes `detector.json`:',
        '',
        f'    {result["command"]}',
        '',
        'AP50 and AP are from pycocotools on the set of `--val`; *AP50 at once* is that of a'
        ' pruned network with its batch norm measured anew, before it was trained again. That'
        ' training is the same for all criteria, after each round; the base has not had it, so a'
        ' network that lost little may be better than the base. Time is from letterbox to boxes in'
        ' ONNX Runtime: the models take turns, and the median of the fastest turn counts; compare'
        ' ratios, not machines.',
        '',
        '## Pruned',
        '',
        '![AP50 against size and time](detector.png)',
        '',
        HEAD,
        row('base', base, base),
    ]
    for criterion, steps in pruning.items():
        if criterion != 'base':
            for share, found in steps.items():
                lines.append(row(f'{criterion}, {share} % removed', found, base))
    lines += ['', '## Quantized', '', HEAD]
    for name, found in result.get('quantized', {}).items():
        lines.append(row(name, found, base))
    kept = {k: f['in_float'] for k, f in result.get('quantized', {}).items() if f.get('in_float')}
    lines += ['', 'In int8 files the first and the last convolutions and decoding stay in float.']
    lines += [f'In {name} also {", ".join(parts)}.' for name, parts in kept.items()]
    lines += ['', '## Beside others', '', HEAD]
    for name, found in result.get('against', {}).items():
        lines.append(row(name, found, base))
    lines += ['', '## Which layers can spare channels', '']
    lines += ['AP50 when one layer alone loses the half with the least L1 norm:']
    lines += ['', '![AP50 by layer](detector_layers.png)', '']
    rows = sorted(csv.DictReader(io.StringIO(table)), key=lambda r: float(r['ap50']))
    lines += ['| layer | channels | removed | AP50 |', '| --- | --- | --- | --- |']
    for r in [*rows[:6], *rows[-6:]]:
        lines.append(f'| {r["layer"]} | {r["channels"]} | {r["removed"]} | {r["ap50"]} |')
    lines += ['', 'The six that hurt most and the six that hurt least.', '']
    return '\n'.join(lines)


def draw_pruning(result: dict, file: Path) -> None:
    """Draw AP50 against size and time for each criterion, after and before training."""
    figure, axes = pyplot.subplots(1, 4, figsize=(13, 3.3), sharey=True, layout='constrained')
    base = result['pruning']['base']
    for axis, (key, title) in zip(axes, AXES.items()):
        unit = 1 if key == 'ms' else 1e6
        for criterion, steps in result['pruning'].items():
            if criterion == 'base':
                continue
            colour = COLOURS.get(criterion)
            found = [base, *steps.values()]
            places = [f[key] / unit for f in found]
            axis.plot(places, [f['ap50'] for f in found], 'o-', color=colour, label=criterion)
            early = [f.get('before', f)['ap50'] for f in found]
            axis.plot(places, early, ':', color=colour, linewidth=1)
        axis.set(xlabel=title, ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel('AP50 (dotted: before training again)')
    axes[0].legend(loc='lower right')
    figure.savefig(file, dpi=80)
    pyplot.close(figure)


def draw_layers(table: str, file: Path) -> None:
    """Draw AP50 by the layer that lost half of its channels."""
    rows = list(csv.DictReader(io.StringIO(table)))
    figure, axis = pyplot.subplots(figsize=(11, 3.4), layout='constrained')
    axis.bar([r['layer'] for r in rows], [float(r['ap50']) for r in rows])
    axis.tick_params(axis='x', rotation=90, labelsize=7)
    axis.set(ylabel='AP50')
    figure.savefig(file, dpi=80)
    pyplot.close(figure)


def write_pages(docs: Path, variants: list[Variant], table: str, command: str) -> None:
    """Write all pages into the folder `docs`; `table` is prune's sensitivity.csv."""
    docs.mkdir(parents=True, exist_ok=True)
    result = as_json(variants, command)
    (docs / 'detector.json').write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    (docs / 'detector.md').write_text(page(result, table), encoding='utf-8')
    draw_pruning(result, docs / 'detector.png')
    draw_layers(table, docs / 'detector_layers.png')
