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
and confusion.png or points.png.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import cv2
import torch
from training.errors import run
from training.gesture.augment import make_flips
from training.gesture.dataset import GestureSet, read_classes, read_points
from training.gesture.feed import Pictures
from training.gesture.fit import train
from training.gesture.settings import Settings
from training.gesture.split import BURST, split


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--data', type=Path, required=True, help='folder of class folders, or CSV of points')
    add('--images', type=Path, help='image folder of the CSV (default: X/ beside X.csv)')
    add('--points', help='points to learn, such as thumb,index (default: all of the CSV)')
    add('--val', type=Path, help='set to choose the best epoch on (default: a part of --data)')
    add('--val-share', type=float, default=0.1, help='that part (default: %(default)s)')
    add(
        '--burst',
        type=int,
        default=BURST,
        help='frames with numbers in a row that are never divided (default: %(default)s)',
    )
    add('--test', type=Path, help='set for reporting only, judged once at the end')
    add('--init', type=Path, help='checkpoint to begin with; task and labels may differ')
    add(
        '--weights',
        default='imagenet',
        help='imagenet, none, or a file with a ResNet-18 state dict (default: %(default)s)',
    )
    add('--horizontal-pairs', default='', help='labels that change places when left is right')
    add(
        '--vertical-pairs',
        default='',
        help='labels that change places upside down, such as thumb_up=thumb_down; others then'
        ' stay what they are (default: nothing is turned upside down)',
    )
    add('--backgrounds', type=Path, help='folder of pictures to show around those of --data')
    add('--out', type=Path, default=Path('runs/gesture'), help='(default: %(default)s)')
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add('--threads', type=int, default=0, help='CPU threads (0: as torch chooses)')
    add('--json', action='store_true', help='print the figures as JSON in the last line')
    for entry in fields(Settings):
        option = f'--{entry.name.replace("_", "-")}'
        add(option, type=type(entry.default), default=entry.default, help='(default: %(default)s)')
    return parser.parse_args()


def read(args: argparse.Namespace, data: Path, like: GestureSet | None = None) -> GestureSet:
    """Read a set, with the labels of `like` where that is given."""
    if data.suffix.lower() == '.csv':
        names = tuple(args.points.split(',')) if args.points else None
        return read_points(data, None if like else args.images, like.labels if like else names)
    return read_classes(data, like.labels if like else None)


def main() -> None:
    args = parse()
    cv2.setNumThreads(1)
    if args.threads:
        torch.set_num_threads(args.threads)
    settings = Settings(**{entry.name: getattr(args, entry.name) for entry in fields(Settings)})
    data = read(args, args.data)
    val = read(args, args.val, data) if args.val else None
    if val is None and args.val_share > 0:
        data, val = split(data, args.val_share, args.burst, settings.seed)
    flips = make_flips(data.labels, args.horizontal_pairs, args.vertical_pairs)
    pictures = Pictures(data, settings.size, flips, args.backgrounds)
    print(f'{len(data.items)} pictures to train on, {len(val.items) if val else 0} to choose by')
    best = train(
        data,
        val,
        settings,
        args.out,
        pictures=pictures,
        init=args.init,
        weights='none' if args.init else args.weights,
        device=args.device,
    )
    print(f'{best} is the best')


if __name__ == '__main__':
    run(main)
