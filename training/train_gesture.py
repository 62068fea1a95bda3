"""
Train ResNet-18 on pictures of gestures, or on named points such as a fingertip.

A folder with one folder of pictures for each class (gesture/thumb_up/*.jpg, ...):

    python -m training.train_gesture --data gesture --init edge_vision/models/fingertip.onnx \
        --vertical-pairs thumb_up=thumb_down --out runs/gesture --export gesture.onnx

or a CSV with `file` and NAME_x, NAME_y in 0..1 for each point, the pictures in X/ beside X.csv:

    python -m training.train_gesture --data fingertip/train.csv --test fingertip/test.csv \
        --weights none --out runs/fingertip --export fingertip.onnx

writes to the run folder: last.pt (after each epoch; the same command goes on from it after a
kill), best.pt (the best on --val, or on the part of --data that is held out), curves.csv and .png,
figures.json, and confusion.png or points.png. A model file of a checkpoint, without training:

    python -m training.train_gesture --checkpoint runs/gesture/best.pt --export gesture.onnx

docs/gestures.md tells more.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
import json
from pathlib import Path

import cv2
from edge_vision.core.errors import UserError
import torch
from training.errors import run
from training.gesture.augment import make_flips
from training.gesture.checkpoint import averaged_model, load_checkpoint
from training.gesture.dataset import (
    GestureSet,
    read_classes,
    read_points,
    with_boxes,
    with_extra,
)
from training.gesture.evaluate import metrics_of, outputs_of
from training.gesture.export import write_model
from training.gesture.feed import Pictures
from training.gesture.fit import train
from training.gesture.folds import cross_validate
from training.gesture.head import Kept, LAST, LAYER4
from training.gesture.network import CLASSIFICATION
from training.gesture.pictures import write_confusion, write_points
from training.gesture.settings import check, Settings
from training.gesture.split import BURST, split

EXTRA = 100  # pictures of an --extra that names no number


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--data', type=Path, help='folder of class folders, or CSV of points')
    add('--images', type=Path, help='image folder of the CSV (default: X/ beside X.csv)')
    add('--points', help='points to learn, such as thumb,index (default: all of the CSV)')
    add('--val', type=Path, help='set to choose the best epoch on (default: a part of --data)')
    add(
        '--val-share', type=float, default=0.1, help='that part, 0 for none (default: %(default)s)'
    )
    add(
        '--burst',
        type=int,
        default=BURST,
        help='frames with numbers in a row that stay together in a split (default: %(default)s)',
    )
    add('--test', type=Path, help='set for reporting only, judged once at the end')
    add('--folds', type=int, default=0, help='cross validation: train and judge so many times')
    add('--init', type=Path, help='checkpoint or model file to begin with; its task may differ')
    add(
        '--weights',
        default='imagenet',
        help='imagenet, none, or a file with a state dict of ResNet-18 (default: %(default)s)',
    )
    add(
        '--freeze',
        nargs='?',
        const=LAST,
        choices=(LAST, LAYER4),
        help='train only the last layer, in seconds, or from layer4 on, in minutes',
    )
    add('--horizontal-pairs', default='', help='labels that change places when left is right')
    add(
        '--vertical-pairs',
        default='',
        help='labels that change places upside down, such as thumb_up=thumb_down; others then'
        ' stay what they are (default: nothing is turned upside down)',
    )
    add(
        '--boxes',
        type=Path,
        help='CSV of hand_x0 hand_y0 hand_x1 hand_y1 in 0..1 by `file` (thumb_up/01.jpg): where'
        ' the hands are, so that they stay in view and can be cut out',
    )
    add(
        '--extra',
        action='append',
        default=[],
        metavar='CLASS=PATH=COUNT',
        help='more pictures for a class, to train on only: of a folder, or a CSV with hand boxes',
    )
    add('--backgrounds', type=Path, help='folder of pictures to show around those of --data')
    add('--export', type=Path, help='model file to write')
    add('--checkpoint', type=Path, help='only judge (--test) and --export this one')
    add('--out', type=Path, default=Path('runs/gesture'), help='(default: %(default)s)')
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add('--threads', type=int, default=0, help='CPU threads (0: as torch chooses)')
    add('--json', action='store_true', help='print the figures as JSON in the last line')
    for entry in fields(Settings):
        option = f'--{entry.name.replace("_", "-")}'
        add(option, type=type(entry.default), default=entry.default, help='(default: %(default)s)')
    return parser.parse_args()


def read(
    args: argparse.Namespace, data: Path, labels: tuple[str, ...] | None = None
) -> GestureSet:
    """Read a set, with the labels of another where they are given."""
    if data.suffix.lower() == '.csv':
        names = tuple(args.points.split(',')) if args.points else None
        return read_points(data, args.images if data == args.data else None, labels or names)
    return read_classes(data, labels)


def pictures_of(args: argparse.Namespace, data: GestureSet, settings: Settings) -> Pictures:
    """Add the extra pictures, and decode all."""
    for text in args.extra:
        label, path, count = ([*text.split('='), '', ''])[:3]
        if not path or not (count or '1').isdigit():
            raise UserError(f"--extra is '{text}'; something like none=photos=100 would do.")
        data = with_extra(data, label, Path(path), int(count or EXTRA))
    flips = make_flips(data.labels, args.horizontal_pairs, args.vertical_pairs)
    return Pictures(data, settings.size, flips, args.backgrounds)


def fit(
    args: argparse.Namespace,
    data: GestureSet,
    val: GestureSet | None,
    settings: Settings,
    out: Path,
    kept: Kept | None = None,
) -> Path:
    """Train on a set; return the best checkpoint."""
    pictures = pictures_of(args, data, settings)
    chosen = f'{len(val.items)} to choose by' if val else 'none to choose by'
    print(f'{len(pictures)} pictures to train on, {chosen}', flush=True)
    return train(
        pictures.set,
        val,
        settings,
        out,
        pictures=pictures,
        init=args.init,
        weights=args.weights,
        freeze=args.freeze or False,
        kept=kept,
        device=args.device,
    )


def judge(state: dict, images: GestureSet, out: Path, name: str) -> dict:
    """Judge a checkpoint on a set, draw its picture, and return the figures."""
    size, labels = state['settings']['size'], tuple(state['labels'])
    pictures = Pictures.plain_only(images, size)
    outputs = outputs_of(averaged_model(state), images.task, pictures, size)
    metrics = metrics_of(images, outputs)
    out.mkdir(parents=True, exist_ok=True)
    if images.task == CLASSIFICATION:
        write_confusion(out / f'confusion{name}.png', metrics['confusion'], labels)
    else:
        write_points(out / f'points{name}.png', pictures, outputs)
    return {'pictures': len(images.items), **metrics}


def learn(args: argparse.Namespace, settings: Settings, figures: dict) -> Path | None:
    """Train, or cross validate, as asked; return the best checkpoint of a training."""
    data = read(args, args.data)
    if args.boxes:
        data = with_boxes(data, args.boxes)
    if args.folds:
        kept: Kept = {}
        figures['folds'] = cross_validate(
            data,
            args.folds,
            args.burst,
            settings.seed,
            args.out,
            lambda part, out: fit(args, part, None, settings, out, kept),
        )
        if data.task == CLASSIFICATION:
            matrix = figures['folds']['confusion']
            write_confusion(args.out / 'confusion_folds.png', matrix, data.labels)
        return None
    val = read(args, args.val, data.labels) if args.val else None
    if val is None and args.val_share > 0:
        data, val = split(data, args.val_share, args.burst, settings.seed)
    best = fit(args, data, val, settings, args.out)
    if val is not None:
        figures['val'] = judge(load_checkpoint(best), val, args.out, '')
    return best


def main() -> None:
    args = parse()
    cv2.setNumThreads(1)
    if args.threads:
        torch.set_num_threads(args.threads)
    settings = Settings(**{entry.name: getattr(args, entry.name) for entry in fields(Settings)})
    check(settings)
    if (args.data is None) == (args.checkpoint is None):
        raise UserError('Give either --data to train on, or a --checkpoint to judge or export.')
    figures: dict = {}
    best = args.checkpoint or learn(args, settings, figures)
    if best is not None:
        state = load_checkpoint(best)
        figures.update(checkpoint=str(best), task=state['task'], labels=state['labels'])
        if args.test:
            figures['test'] = judge(
                state, read(args, args.test, tuple(state['labels'])), args.out, '_test'
            )
        if args.export:
            worst = write_model(state, args.export)
            print(f'{args.export}: {args.export.stat().st_size / 1e6:.1f} MB, same as torch')
            figures.update(model=str(args.export), parity=worst)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'figures.json').write_text(json.dumps(figures, indent=1), encoding='utf-8')
    for name in ('val', 'test', 'folds'):
        if name in figures:
            print(f'{name}: {in_words(figures[name])}')
    if args.json:
        print(json.dumps(figures))


def in_words(metrics: dict) -> str:
    """Say the figures of a set in a line."""
    if 'accuracy' in metrics:
        each = ', '.join(f'{name} {value:.3f}' for name, value in metrics['recall'].items())
        folds = f', mean of folds {metrics["mean_accuracy"]:.3f}' if 'folds' in metrics else ''
        return f'accuracy {metrics["accuracy"]:.3f}{folds}; recall: {each}'
    each = ', '.join(
        f'{name} {value["error_px"]:.1f} ({value["within_20_px"]:.0%} within 20)'
        for name, value in metrics['points'].items()
    )
    return f'mean error {metrics["error_px"]:.1f} px at 640x480; {each}'


if __name__ == '__main__':
    run(main)
