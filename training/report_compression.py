"""
Cluster the gesture networks in many ways; write docs/compression.md, its JSON and pictures.

    python -m training.report_compression --work runs/compression \
        --fingertip runs/fingertip/best.pt --fingertip-data fingertip/train.csv \
        --fingertip-test fingertip/test.csv \
        --gesture runs/gesture/best.pt --gesture-data gesture --gesture-folds runs/folds

2, 3, 8 and 16 shared values, for all layers and for the last one, as they are, with the value
nearest zero made zero, and fine-tuned; each judged on pictures that no training has seen: the test
set for the fingertip, for gestures what train_gesture held out, and, with 16 values, what the
networks of a cross validation (train_gesture --folds) had not seen. The work folder keeps what is
done; the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import cv2
from edge_vision.core.errors import UserError
import numpy as np
import onnx
import torch
from training.errors import run
from training.gesture.checkpoint import load_checkpoint
from training.gesture.dataset import GestureSet, read_set, with_boxes
from training.gesture.split import BURST, folds_of, split
from training.sharing.layers import choose, weights_of
from training.sharing.pages import (
    draw_histogram,
    draw_sizes,
    draw_weights,
    METRICS,
    tables_of,
    write_json,
    write_page,
)
from training.sharing.rows import Bench, FLOAT, Part, Subject, wishes
from training.sharing.tune import TuneSettings

FEW, MORE = [2, 3, 8, 16], [32, 64, 256]  # shared values, in all variants and as they are
SHIPPED = 16  # shared values of the models that come with the package
FOLDS = 'gesture_cross_validated'  # the networks of a cross validation, judged together


def fingertip_subject(args: argparse.Namespace) -> Subject:
    """Points: trained on one CSV, judged on another, by one point of them."""
    labels = tuple(load_checkpoint(args.fingertip)['labels'])
    if not (args.fingertip_data and args.fingertip_test):
        raise UserError('--fingertip needs --fingertip-data and --fingertip-test.')
    if args.point not in labels:
        raise UserError(f"There is no point '{args.point}'; there are {', '.join(labels)}.")
    data, test = (read_set(f, None, labels) for f in (args.fingertip_data, args.fingertip_test))
    return Subject('fingertip', (Part(args.fingertip, data, test),), args.point)


def gesture_subjects(args: argparse.Namespace) -> list[Subject]:
    """Classes: one network on what was held out, and those of a cross validation together."""
    labels = tuple(load_checkpoint(args.gesture)['labels'])
    if not args.gesture_data:
        raise UserError('--gesture needs --gesture-data.')
    data = read_set(args.gesture_data, None, labels)
    if args.gesture_boxes:
        data = with_boxes(data, args.gesture_boxes)
    parts = split(data, args.gesture_val_share, args.burst)
    subjects = [Subject('gesture', (Part(args.gesture, *parts),), '')]
    if args.gesture_folds:
        files = sorted(args.gesture_folds.glob('fold*/best.pt'))
        if len(files) < 2:
            raise UserError(
                f'{args.gesture_folds} holds no fold1/best.pt, fold2/best.pt and so on;'
                ' a folder of train_gesture --folds would do.'
            )
        subjects.append(Subject(FOLDS, parts_of(data, files, args.burst), ''))
    return subjects


def parts_of(data: GestureSet, files: list[Path], burst: int) -> tuple[Part, ...]:
    """Divide a set as train_gesture --folds has done."""
    fold = folds_of(data, len(files), burst, 0)
    return tuple(
        Part(file, data.part(np.flatnonzero(fold != i)), data.part(np.flatnonzero(fold == i)))
        for i, file in enumerate(files)
    )


def report(bench: Bench, few: list[int], more: list[int]) -> dict:
    """Make what is missing of a subject, take the times, and arrange it all."""
    wanted = wishes(few, more)
    if bench.subject.name == FOLDS:  # costly: only what is shipped
        wanted = wishes([k for k in few if k == SHIPPED] or few[-1:], [], ['all_layers'])
    bench.fill(wanted)
    timed = [w.key for w in wanted if w.variant == ('tuned' if w.clusters in few else 'plain')]
    times = bench.times([FLOAT, *timed])
    subject = bench.subject
    return {
        'metric': subject.metric,
        'means': METRICS[subject.metric].format(point=subject.point),
        'judged_on': sum(len(part.test.items) for part in subject.parts),
        'networks': len(subject.parts),
        **tables_of(bench.rows, times, subject.metric),
    }


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--fingertip', type=Path, help='checkpoint of points')
    add('--fingertip-data', type=Path, help='CSV to train its shared values on')
    add('--fingertip-test', type=Path, help='CSV to judge it on')
    add('--point', default='index', help='the point to judge (default: %(default)s)')
    add('--gesture', type=Path, help='checkpoint of classes')
    add('--gesture-data', type=Path, help='folder of class folders')
    add('--gesture-boxes', type=Path, help='CSV of the hands in it, as train_gesture --boxes')
    add('--gesture-folds', type=Path, help='run folder of train_gesture --folds')
    add(
        '--gesture-val-share',
        type=float,
        default=0.1,
        help='of the pictures, what that training held out (default: %(default)s)',
    )
    add('--burst', type=int, default=BURST, help='as in that run (default: %(default)s)')
    add('--clusters', type=int, nargs='+', default=FEW, help='(default: %(default)s)')
    add('--more', type=int, nargs='*', default=MORE, help='as they are, (default: %(default)s)')
    add('--finetune-epochs', type=int, default=2, help='(default: %(default)s)')
    add('--lr', type=float, default=TuneSettings.lr, help='(default: %(default)s)')
    add('--threads', type=int, default=1, help='of training and of timing (default: %(default)s)')
    add('--work', type=Path, default=Path('runs/compression'), help='(default: %(default)s)')
    add('--docs', type=Path, default=Path('docs'), help='(default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    args = parse()
    if not (args.fingertip or args.gesture):
        raise UserError('Give --fingertip, --gesture, or both: checkpoints of train_gesture.')
    cv2.setNumThreads(1)
    torch.set_num_threads(args.threads)
    settings = TuneSettings(args.finetune_epochs, args.lr)
    subjects = [fingertip_subject(args)] if args.fingertip else []
    subjects += gesture_subjects(args) if args.gesture else []
    benches = [Bench(subject, args.work, settings, args.threads) for subject in subjects]
    found = {bench.subject.name: report(bench, args.clusters, args.more) for bench in benches}
    command = ' '.join(['python -m training.report_compression', *sys.argv[1:]])
    args.docs.mkdir(parents=True, exist_ok=True)
    write_json(args.docs, found, command)
    write_page(args.docs, found, command)
    draw_sizes({k: v for k, v in found.items() if k != FOLDS}, args.docs / 'compression.png')
    model = onnx.load(benches[0].file(FLOAT))
    weights = weights_of(model)
    draw_weights(weights[choose(model, ['last'])[0]], args.docs / 'compression_weights.png')
    largest = max(weights.values(), key=lambda w: w.size)
    draw_histogram(largest, args.docs / 'compression_histogram.png')
    print(args.docs / 'compression.md')


if __name__ == '__main__':
    run(main)
