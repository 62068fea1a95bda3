"""
Measure the detector in all its forms; write docs/detector.md, its plots and docs/detector.json.

    python -m training.report_detector --checkpoint training/person.pt --data person/train.json \
        --val person/val.json --teacher yolox_nano.onnx --fast taylor:40 \
        --against yolox_nano.onnx FastestDet.onnx hog --work runs/report

prunes the checkpoint by each criterion in equal rounds with equal training between them, makes a
model file of each round, quantizes, measures AP50 and AP of them all, and takes their time in
turns. The work folder keeps what is done; the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
import hashlib
import json
from pathlib import Path
import subprocess
import sys

from edge_vision.core.detector import load_detector
from edge_vision.core.errors import UserError
from edge_vision.core.onnx_model import find_model
from edge_vision.core.options import Options
import onnx
from onnx import numpy_helper, shape_inference
from tqdm import tqdm
from training.coco import ImageSet, read_coco
from training.errors import run
from training.evaluate import ap_of, time_ms
from training.export_onnx import export
from training.importance import CRITERIA
from training.quantize import int8_within, to_float16
from training.report_pages import write_pages


@dataclass
class Variant:
    """A model to measure: what it is, its file (or `hog`), and what is known already."""

    group: str  # a criterion, `quantized` or `against`
    name: str
    model: str
    found: dict = field(default_factory=dict)


def prune_command(args: argparse.Namespace, criterion: str, seed: int) -> list[str]:
    """Command line of one criterion's rounds."""
    line = [sys.executable, '-m', 'training.prune', '--checkpoint', args.checkpoint]
    line += ['--data', args.data, '--val', args.val, '--criterion', criterion]
    line += ['--ratio', args.ratio, '--iterations', args.iterations, '--lr', args.lr]
    line += ['--finetune-epochs', args.finetune_epochs, '--batch', args.batch, '--seed', seed]
    threads = max(1, args.threads // args.jobs)
    line += ['--workers', args.workers, '--shares', args.shares, '--threads', threads]
    line += ['--out', chain(args, criterion, seed)]
    for option in ('soft', 'teacher', 'images'):
        if getattr(args, option):
            line += [f'--{option}', getattr(args, option)]
    return [str(word) for word in line]


def chain(args: argparse.Namespace, criterion: str, seed: int) -> Path:
    """Folder of one criterion's rounds."""
    return args.work / f'{criterion}_{seed}'


def prune_all(args: argparse.Namespace) -> None:
    """Run the rounds of all criteria and seeds that are not done, --jobs at a time."""
    log = args.work / 'prune.log'

    def work(line: list[str]) -> int:
        with open(log, 'a', encoding='utf-8') as file:
            return subprocess.run(line, stdout=file, stderr=file, check=False).returncode

    lines = [prune_command(args, c, s) for s in range(args.seeds) for c in args.criteria]
    with ThreadPoolExecutor(args.jobs) as pool:
        codes = list(tqdm(pool.map(work, lines), total=len(lines), desc='prune', unit='run'))
    if any(codes):
        raise UserError(f'A pruning run failed; the end of {log} says why.')


def percent(args: argparse.Namespace, round_: int) -> str:
    """Percent of the parameters that a round has removed."""
    return f'{100 * args.ratio * round_ / args.iterations:.0f}'


def pruned(args: argparse.Namespace) -> list[Variant]:
    """Make a model file of each round of each chain."""
    variants = []
    for seed in range(args.seeds):
        for criterion in args.criteria:
            folder = chain(args, criterion, seed)
            rounds = json.loads((folder / 'rounds.json').read_text(encoding='utf-8'))
            for round_ in range(1, args.iterations + 1):
                file = folder / f'round{round_}.onnx'
                if not file.is_file():
                    export(folder / f'round{round_}' / 'done.pt', file)
                known = {'before': rounds[round_]['before']}
                variants.append(Variant(criterion, percent(args, round_), str(file), known))
    return variants


def quantized(args: argparse.Namespace, sources: dict[str, Path]) -> list[Variant]:
    """Make int8 and float16 files of these models."""
    variants = []
    for name, source in sources.items():
        half, small = (args.work / f'{name}_{kind}.onnx' for kind in ('float16', 'int8'))
        kept = small.with_suffix('.json')
        if not half.is_file():
            onnx.save(to_float16(onnx.load(source)), half)
        if not kept.is_file():
            data, val = read_coco(args.data, args.images), read_coco(args.val)
            model = onnx.load(source)
            made, parts = int8_within(model, data, val, args.calibration_images, 0.02, [])
            onnx.save(made, small)
            kept.write_text(json.dumps(parts), encoding='utf-8')
        counted = counts(source)
        parts = json.loads(kept.read_text(encoding='utf-8'))
        variants.append(Variant('quantized', f'{name}_float16', str(half), dict(counted)))
        variants.append(
            Variant('quantized', f'{name}_int8', str(small), {**counted, 'in_float': parts})
        )
    return variants


def counts(file: Path) -> dict[str, int]:
    """Parameters and multiply-adds of the convolutions and dense layers of a model file."""
    model = shape_inference.infer_shapes(onnx.load(file))
    shapes = {v.name: v.type.tensor_type.shape.dim for v in model.graph.value_info}
    shapes.update({v.name: v.type.tensor_type.shape.dim for v in model.graph.output})
    weights = {t.name: t for t in model.graph.initializer}
    macs = params = 0
    for node in model.graph.node:
        if node.op_type not in ('Conv', 'Gemm', 'MatMul'):
            continue
        for i, name in enumerate(node.input[1:]):
            if name in weights:
                size = numpy_helper.to_array(weights[name]).size
                params += size
                places = [d.dim_value for d in shapes[node.output[0]]][2:]
                for side in places if i == 0 else []:
                    size *= side
                macs += size if i == 0 else 0
    return {'params': params, 'macs': macs}


def measure(args: argparse.Namespace, variants: list[Variant], val: ImageSet) -> None:
    """Fill in each variant's figures; AP is kept by the file's contents, time is taken anew."""
    kept = args.work / 'ap.json'
    known = json.loads(kept.read_text(encoding='utf-8')) if kept.is_file() else {}
    usual = Options(threads=args.threads)
    for variant in variants:
        key, file = variant.model, None
        if variant.model != 'hog':
            file = Path(find_model(variant.model))
            key = hashlib.sha256(file.read_bytes()).hexdigest()
            variant.found = {**counts(file), **variant.found, 'bytes': file.stat().st_size}
        if key not in known:
            precision = ap_of(load_detector(variant.model, usual), val)
            known[key] = {name: round(precision[name], 4) for name in ('ap50', 'ap')}
            kept.write_text(json.dumps(known, indent=1), encoding='utf-8')
        variant.found.update(known[key])
        print(variant.group, variant.name, json.dumps(known[key]), flush=True)
    for variant, ms in zip(variants, time_ms([v.model for v in variants], usual, val)):
        variant.found['ms'] = round(ms, 3)


def layers(args: argparse.Namespace) -> str:
    """Return the sensitivity report of the base, made where it is missing."""
    file = args.work / 'sensitivity.csv'
    if not file.is_file():
        line = [sys.executable, '-m', 'training.prune', '--checkpoint', args.checkpoint]
        line += ['--data', args.data, '--val', args.val, '--sensitivity', '--out', args.work]
        subprocess.run([str(word) for word in line], check=True)
    return file.read_text(encoding='utf-8')


def spoken(words: list[str]) -> str:
    """Write the command line as another machine would, without this one's folders."""
    short = ['/'.join(Path(w).parts[-2:]) if '/' in w else w for w in words]
    return ' '.join(['python -m training.report_detector', *short])


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--checkpoint', type=Path, required=True, help='the base: best.pt of a training')
    add('--data', type=Path, required=True, help='COCO file to train and calibrate on')
    add('--images', type=Path, help='its image folder (default: X/ beside X.json)')
    add('--val', type=Path, required=True, help='COCO file to measure on')
    add('--soft', type=Path, help='soft boxes, as for train_detector')
    add('--teacher', type=Path, help='a YOLOX file, as for train_detector')
    add('--against', nargs='*', default=['hog'], help='other models in the same tables')
    add('--fast', default='taylor:40', help='criterion:percent to quantize (default: %(default)s)')
    add('--criteria', nargs='+', choices=CRITERIA, default=['taylor', 'magnitude', 'random'])
    add('--seeds', type=int, default=1, help='runs of each criterion (default: %(default)s)')
    add('--ratio', type=float, default=0.8, help='share removed in the end (default: 0.8)')
    add('--iterations', type=int, default=4, help='rounds on the way (default: %(default)s)')
    add('--finetune-epochs', type=int, default=3, help='after each round (default: 3)')
    add('--lr', type=float, default=5e-4, help='rate between rounds (default: %(default)s)')
    add('--batch', type=int, default=32, help='(default: %(default)s)')
    add('--shares', default='', help='as for train_detector')
    add('--workers', type=int, default=1, help='processes that make pictures (default: 1)')
    add('--jobs', type=int, default=1, help='pruning runs at a time (default: 1)')
    add('--threads', type=int, default=2, help='CPU threads, of all jobs together (default: 2)')
    add('--calibration-images', type=int, default=200, help='for int8 (default: 200)')
    add('--work', type=Path, default=Path('runs/report'), help='(default: %(default)s)')
    add('--docs', type=Path, default=Path('docs'), help='where to write (default: docs)')
    return parser.parse_args()


def main() -> None:
    args = parse()
    criterion, _, share = args.fast.partition(':')
    steps = [percent(args, i) for i in range(1, args.iterations + 1)]
    if criterion not in args.criteria or share not in steps:
        raise UserError(
            f"--fast is '{args.fast}'; one of {', '.join(args.criteria)}, a colon and one of"
            f' {", ".join(steps)} would do.'
        )
    args.work.mkdir(parents=True, exist_ok=True)
    base = args.work / 'base.onnx'
    export(args.checkpoint, base)
    prune_all(args)
    fast = chain(args, criterion, 0) / f'round{steps.index(share) + 1}.onnx'
    variants = [Variant('base', 'base', str(base)), *pruned(args)]
    variants += quantized(args, {'base': base, f'{criterion}{share}': fast})
    variants += [Variant('against', Path(model).stem, model) for model in args.against]
    measure(args, variants, read_coco(args.val))
    write_pages(args.docs, variants, layers(args), spoken(sys.argv[1:]))


if __name__ == '__main__':
    run(main)
