"""
Remove the least important channels of a trained detector, in rounds, with training in between.

    python -m training.prune --checkpoint runs/p/best.pt --data person/train.json \
        --val person/val.json --criterion taylor --ratio 0.4 --iterations 4 --out runs/p40

Each round removes an equal share of the parameters until --ratio of them is gone, then trains at
a low rate. The run folder holds round1/ ... with their checkpoints, and rounds.json with
parameters and AP before and after each training. The same command goes on after a kill. With
--sensitivity no channel is removed: each layer in turn loses half of its own, and AP is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import json
from pathlib import Path

from edge_vision.core.errors import UserError
import torch
from tqdm import tqdm
from training.average import settle_batch_norm
from training.checkpoint import averaged_model, load_checkpoint, save_checkpoint
from training.coco import ImageSet, read_coco
from training.errors import run
from training.feed import batches_of, epoch_loader, Pictures
from training.importance import at_random, CRITERIA, Importance, magnitude, taylor
from training.network import Detector
from training.predict import evaluate_network, to_input
from training.schedule import picture_size, Settings
from training.soft import read_soft, with_soft
from training.surgery import choose, parameters, remove, STEP
from training.teacher import Teacher
from training.train_detector import train

BATCHES = 20  # on which batch norms are measured
BATCH = 16
TAYLOR_PICTURES = 320  # on which gradients are taken, each alone: in a batch theirs would cancel


def importance_of(
    model: Detector, criterion: str, pictures: Pictures, size: int, seed: int, round_: int
) -> Importance:
    """Rank the channels by one of the criteria."""
    if criterion == 'magnitude':
        return magnitude(model)
    if criterion == 'random':
        return at_random(model, seed + round_)
    return taylor(model, training_batches(pictures, size, seed, round_, TAYLOR_PICTURES, 1))


def training_batches(
    pictures: Pictures, size: int, seed: int, round_: int, count: int = BATCHES, batch: int = BATCH
) -> Iterator:
    """Serve training pictures with mild augmentation, in `count` batches."""
    settings = Settings(size=size)
    keys = batches_of(pictures.shares, batch, seed, round_, size, 0)[:count]
    loader = epoch_loader(pictures, keys, seed, round_, picture_size(settings, 1.0)[2], 0)
    return iter(tqdm(loader, desc='look', unit='batch', mininterval=2))


def prune_round(
    state: dict, folder: Path, images: ImageSet, args: argparse.Namespace, round_: int, base: int
) -> dict:
    """Remove one round's share of channels; write and return the smaller network's checkpoint."""
    model = averaged_model(state)
    target = int(base * (1 - args.ratio * round_ / args.iterations))
    size = state['size']
    pictures = Pictures(images.items, 2 * size)
    ranks = importance_of(model, args.criterion, pictures, size, args.seed, round_)
    smaller = remove(model, choose(model, ranks, target))
    # The layers behind see less than they did: only to measure that anew brings back much of AP.
    batches = training_batches(pictures, size, args.seed + 1, round_)
    settle_batch_norm(smaller, (to_input(bgr) for bgr, _ in batches))
    pruned = {
        'labels': state['labels'],
        'size': size,
        'widths': smaller.widths,
        'average': smaller.state_dict(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder / 'pruned.pt', pruned)
    return pruned


def finetune(folder: Path, images: ImageSet, args: argparse.Namespace, pruned: dict) -> dict:
    """Train a pruned network at a low rate and full size, without choosing on --val."""
    settings = Settings(
        epochs=args.finetune_epochs,
        size=pruned['size'],
        start_size=pruned['size'],
        lr=args.lr,
        warmup_steps=50,
        flat=0.0,
        final=1.0,
        shares=args.shares,
        seed=args.seed,
        val_every=args.finetune_epochs,
        workers=args.workers,
        batch=args.batch,
    )
    teacher = Teacher(args.teacher, images.labels, args.threads) if args.teacher else None
    file = folder / 'pruned.pt'
    train(images, None, settings, pruned['widths'], folder, file, args.device, teacher)
    return load_checkpoint(folder / 'last.pt')


def measure(state: dict, val: ImageSet | None) -> dict[str, float]:
    """Average precision of a checkpoint's network, where there is a set to measure on."""
    if val is None:
        return {}
    found = evaluate_network(averaged_model(state), val, state['size'])
    return {name: round(found[name], 4) for name in ('ap50', 'ap')}


def prune(state: dict, images: ImageSet, val: ImageSet | None, args: argparse.Namespace) -> Path:
    """Do all rounds; return the last checkpoint that keeps within --max-drop."""
    base = parameters(averaged_model(state))
    log = args.out / 'rounds.json'
    rounds: list[dict] = json.loads(log.read_text('utf-8')) if log.is_file() else []
    if not rounds:
        rounds = [{'round': 0, 'parameters': base, **measure(state, val)}]
    best = args.checkpoint
    for round_ in range(1, args.iterations + 1):
        folder = args.out / f'round{round_}'
        if round_ >= len(rounds):
            if (folder / 'pruned.pt').is_file():
                pruned = load_checkpoint(folder / 'pruned.pt')
            else:
                pruned = prune_round(state, folder, images, args, round_, base)
            size = parameters(averaged_model(pruned))
            row = {'round': round_, 'parameters': size, 'before': measure(pruned, val)}
            done = finetune(folder, images, args, pruned) if args.finetune_epochs else pruned
            row.update(measure(done, val))
            rounds.append(row)
            save_checkpoint(folder / 'done.pt', {k: v for k, v in done.items() if k != 'kind'})
            log.write_text(json.dumps(rounds, indent=1), encoding='utf-8')
            print(json.dumps(row), flush=True)
        drop = rounds[0].get('ap50', 0.0) - rounds[round_].get('ap50', 0.0)
        if args.max_drop is not None and drop > args.max_drop:
            print(f'stopped: AP50 fell by {drop:.3f}, more than {args.max_drop}')
            break
        best = folder / 'done.pt'
        state = load_checkpoint(best)
    return best


def sensitivity(state: dict, val: ImageSet, out: Path) -> None:
    """Write sensitivity.csv: AP50 after each layer alone loses its less important half."""
    model = averaged_model(state)
    lines = ['layer,channels,removed,parameters,ap50']
    for name, values in tqdm(magnitude(model).items(), unit='layer'):
        count = len(values) // 2 // STEP * STEP
        if count == 0:
            continue
        smaller = remove(model, {name: values.argsort()[:count].tolist()})
        ap50 = evaluate_network(smaller, val, state['size'])['ap50']
        lines.append(f'{name},{len(values)},{count},{parameters(smaller)},{ap50:.4f}')
        (out / 'sensitivity.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--checkpoint', type=Path, required=True, help='best.pt or last.pt of a training')
    add('--data', type=Path, required=True, help='COCO file to rank and train on')
    add('--images', type=Path, help='its image folder (default: X/ beside X.json)')
    add('--val', type=Path, help='COCO file to measure AP on')
    add('--soft', type=Path, help='soft boxes, as for train_detector')
    add('--teacher', type=Path, help='a YOLOX file, as for train_detector')
    add('--criterion', choices=CRITERIA, default='taylor', help='(default: %(default)s)')
    add('--ratio', type=float, default=0.4, help='share of parameters to go (default: 0.4)')
    add('--iterations', type=int, default=4, help='rounds (default: %(default)s)')
    add('--finetune-epochs', type=int, default=3, help='after each round (default: 3)')
    add('--lr', type=float, default=5e-4, help='rate between rounds (default: %(default)s)')
    add('--max-drop', type=float, help='stop when AP50 has fallen by more; needs --val')
    add('--sensitivity', action='store_true', help='report per layer instead; needs --val')
    add('--batch', type=int, default=32, help='(default: %(default)s)')
    add('--shares', default='', help='how often pictures are shown, as for train_detector')
    add('--seed', type=int, default=0, help='(default: %(default)s)')
    add('--workers', type=int, default=2, help='processes that make the pictures (default: 2)')
    add('--threads', type=int, default=0, help='CPU threads (0: as torch chooses)')
    add('--device', default='cpu', help='to train on (default: %(default)s)')
    add('--out', type=Path, default=Path('runs/pruned'), help='(default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    if not 0 < args.ratio < 1:
        raise UserError(f'--ratio is {args.ratio}; a share between 0 and 1 would do.')
    if args.val is None and (args.sensitivity or args.max_drop is not None):
        raise UserError('--max-drop and --sensitivity need --val to measure AP on.')
    state = load_checkpoint(args.checkpoint)
    images = read_coco(args.data, args.images)
    val = read_coco(args.val) if args.val else None
    if images.labels != tuple(state['labels']):
        raise UserError(f'{args.checkpoint} knows {state["labels"]}, the data {images.labels}.')
    if args.soft:
        images = with_soft(images, read_soft(args.soft, images))
    args.out.mkdir(parents=True, exist_ok=True)
    if args.sensitivity and val is not None:
        sensitivity(state, val, args.out)
        return
    print(f'{prune(state, images, val, args)} is the smaller network')


if __name__ == '__main__':
    run(main)
