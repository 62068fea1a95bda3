"""
Train a detector on a COCO-format image set, from nothing or from other weights.

    python -m training.train_detector --data person/train.json --val person/val.json --out runs/p

writes to the run folder: last.pt (after each epoch; the same command goes on from it after a
kill), best.pt (the best AP50 on --val, else the newest), curves.csv and curves.png. A model file
for the robot is made of them by `python -m training.export_onnx`. Own classes, from the weights
of another run:

    python -m training.train_detector --data mine.json --init training/person.pt --out runs/mine
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
import json
import math
from pathlib import Path
import time

import cv2
from edge_vision.core.errors import UserError
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm
from training.augment import Strength
from training.average import Average, settle_batch_norm
from training.checkpoint import init_weights, load_checkpoint, save_checkpoint
from training.coco import ImageSet, read_coco
from training.curves import write_curves
from training.errors import run
from training.feed import batches_of, epoch_loader, Pictures
from training.loss import detection_loss, LossSettings
from training.network import BASE_WIDTHS, cells, Detector, Widths
from training.predict import evaluate_network, to_input
from training.schedule import learning_rate, parse_shares, picture_size, Settings, share_done
from training.soft import read_soft, with_soft
from training.teacher import Pupil, Teacher

SETTLE_BATCHES = 16  # batches on which the averaged network's batch norm is measured


@dataclass
class State:
    """What changes in a run: the network and its average, the optimizer, and how far it is."""

    model: Detector
    average: Average
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    spent_s: float = 0.0
    history: list[dict] = field(default_factory=list)
    teacher: Teacher | None = None
    pupil: Pupil | None = None


def make_optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); only convolution kernels decay."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {'params': kernels, 'weight_decay': settings.weight_decay},
        {'params': others, 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.99))


def new_state(settings: Settings, widths: Widths, classes: int, device: torch.device) -> State:
    """Make an untrained network with its average and optimizer."""
    torch.manual_seed(settings.seed)
    model = Detector(widths, classes).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return State(model, Average(model, settings.average_decay), make_optimizer(model, settings))


def go_to_school(state: State, teacher: Teacher, settings: Settings) -> None:
    """Let the network learn from a teacher too."""
    device = next(state.model.parameters()).device
    state.teacher, state.pupil = teacher, Pupil(state.model, teacher.channels).to(device)
    state.optimizer = make_optimizer(nn.ModuleList([state.model, state.pupil]), settings)


def restore(state: State, file: Path, labels: tuple[str, ...]) -> None:
    """Go back to where last.pt was written."""
    saved = load_checkpoint(file)
    if saved['widths'] != state.model.widths or tuple(saved['labels']) != labels:
        raise UserError(f'{file} is of another network or other classes; choose another --out.')
    state.model.load_state_dict(saved['model'])
    state.average.model.load_state_dict(saved['average'])
    if (state.pupil is None) != ('pupil' not in saved):
        raise UserError(f'{file} was trained {"without" if state.pupil else "with"} --teacher.')
    if state.pupil is not None:
        state.pupil.load_state_dict(saved['pupil'])
    state.optimizer.load_state_dict(saved['optimizer'])
    state.average.steps = state.step = saved['step']
    state.epoch, state.spent_s, state.history = saved['epoch'], saved['spent_s'], saved['history']


def save(state: State, out: Path, settings: Settings, labels: tuple[str, ...]) -> None:
    """Write last.pt, and best.pt where the newest evaluation is the best so far."""
    network = {
        'settings': asdict(settings),
        'labels': list(labels),
        'widths': state.model.widths,
        'size': settings.size,
        'epoch': state.epoch,
        'step': state.step,
        'spent_s': state.spent_s,
        'history': state.history,
        'model': state.model.state_dict(),
        'average': state.average.model.state_dict(),
    }
    newest = state.history[-1]
    if newest['judged'] and newest.get('ap50', 0.0) >= max(
        row.get('ap50', 0.0) for row in state.history
    ):
        save_checkpoint(out / 'best.pt', network)
    more = {'optimizer': state.optimizer.state_dict()}
    if state.pupil is not None:
        more['pupil'] = state.pupil.state_dict()
    save_checkpoint(out / 'last.pt', {**network, **more})


def train_epoch(
    state: State, loader: DataLoader, settings: Settings, clock: Callable[[], float]
) -> dict[str, float]:
    """Train for one epoch; return the last learning rate and the mean losses."""
    state.model.train()
    device = next(state.model.parameters()).device
    sums: dict[str, float] = {}
    places: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    bar = tqdm(loader, desc=f'epoch {state.epoch + 1}', unit='batch', mininterval=5)
    for i, (bgr, labels) in enumerate(bar):
        done = share_done(settings, state.epoch + i / len(loader), clock())
        rate = learning_rate(settings, done, state.step)
        for group in state.optimizer.param_groups:
            group['lr'] = rate
        side = bgr.shape[1]
        if side not in places:
            centres, strides = cells(side)
            places[side] = centres.to(device), strides.to(device)
        with torch.autocast(device.type, torch.bfloat16, settings.precision == 'bfloat16'):
            raw = state.model(to_input(bgr.to(device)))
        rows = [r.to(device) for r in labels]
        loss, parts = detection_loss(raw.float(), *places[side], rows, LossSettings())
        if state.teacher is not None and state.pupil is not None:
            lesson = state.teacher.look(bgr)
            taught = state.pupil.loss(raw.float(), lesson, *places[side], LossSettings())
            loss = loss + settings.teach * sum(taught.values())
            parts.update({f'teacher_{k}': float(v.detach()) for k, v in taught.items()})
        if not math.isfinite(float(loss.detach())):
            raise UserError(
                f'The loss is {float(loss.detach())} in epoch {state.epoch + 1}, batch {i + 1}'
                f' (rate {rate:.2g}); stopped. The last good checkpoint is kept; try a lower --lr.'
            )
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip)
        state.optimizer.step()
        state.average.update(state.model)
        state.step += 1
        sums = {k: v + sums.get(k, 0.0) for k, v in parts.items()}
        bar.set_postfix({k: f'{v / (i + 1):.3f}' for k, v in sums.items()}, refresh=False)
    state.epoch += 1
    return {'lr': rate, **{k: v / len(loader) for k, v in sums.items()}}


def settle(state: State, pictures: Pictures, settings: Settings, strength: Strength) -> None:
    """Measure the average's batch norm on pictures as they are in training, at full size."""
    device = next(state.model.parameters()).device
    seed = settings.seed + 1
    keys = batches_of(pictures.shares, settings.batch, seed, state.epoch, settings.size, 0)
    keys = keys[:SETTLE_BATCHES]
    loader = epoch_loader(pictures, keys, seed, state.epoch, strength, settings.workers)
    settle_batch_norm(state.average.model, (to_input(bgr.to(device)) for bgr, _ in loader))


def train(
    images: ImageSet,
    val: ImageSet | None,
    settings: Settings,
    widths: Widths,
    out: Path,
    init: Path | None = None,
    device: str = 'cpu',
    teacher: Teacher | None = None,
) -> Path:
    """Train in `out`, going on from its last.pt where there is one; return best.pt's path."""
    cv2.setNumThreads(0)  # a worker forked from a process with OpenCV's threads would hang
    out.mkdir(parents=True, exist_ok=True)
    # 1. the network
    state = new_state(settings, widths, len(images.labels), torch.device(device))
    again = (out / 'last.pt').is_file()
    if init is not None and not again:
        init_weights(state.model, load_checkpoint(init), init)
        state.average = Average(state.model, settings.average_decay)
    if teacher is not None:  # after the average, which must not be taught
        go_to_school(state, teacher, settings)
    if again:
        restore(state, out / 'last.pt', images.labels)
        print(f'going on after epoch {state.epoch}')
    # 2. the pictures
    pictures = Pictures(images.items, 2 * settings.size, parse_shares(settings.shares))
    # 3. the epochs
    first, before_s, begin_s = state.epoch, state.spent_s, time.monotonic() - state.spent_s

    def clock() -> float:
        return time.monotonic() - begin_s

    while (done := share_done(settings, state.epoch, clock())) < 1:
        side, spread, strength = picture_size(settings, done)
        seed, epoch = settings.seed, state.epoch
        keys = batches_of(pictures.shares, settings.batch, seed, epoch, side, spread)
        loader = epoch_loader(pictures, keys, seed, epoch, strength, settings.workers)
        row = {'epoch': epoch + 1, 'size': side, **train_epoch(state, loader, settings, clock)}
        done = share_done(settings, state.epoch, clock())
        # 4. now and then, how good it is
        row['judged'] = state.epoch % settings.val_every == 0 or done >= 1
        if row['judged']:
            settle(state, pictures, settings, strength)
            if val is not None:
                row.update(evaluate_network(state.average.model, val, settings.size))
        # 5. keep it
        state.history.append(row)
        state.spent_s = clock()
        save(state, out, settings, images.labels)
        write_curves(out, state.history)
        left_s = (clock() - before_s) / (state.epoch - first) * (settings.epochs - state.epoch)
        left_s = 60 * settings.minutes - clock() if settings.minutes > 0 else left_s
        report(row, done, left_s)
    return out / 'best.pt'


def report(row: dict, done: float, left_s: float) -> None:
    """Print an epoch's line."""
    precision = f', AP50 {row["ap50"]:.3f}, AP {row["ap"]:.3f}' if 'ap50' in row else ''
    losses = f'class {row["class"]:.3f}, box {row["box"]:.3f}'
    minutes = max(0.0, left_s) / 60
    print(
        f'epoch {row["epoch"]} ({done:.0%}): {losses}{precision}; about {minutes:.0f} min left',
        flush=True,
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--data', type=Path, required=True, help='COCO file to train on')
    add('--images', type=Path, help='its image folder (default: X/ beside X.json)')
    add('--val', type=Path, help='COCO file to choose the best epoch on')
    add('--val-images', type=Path, help='its image folder')
    add('--init', type=Path, help='checkpoint to start from; classes may differ')
    add(
        '--soft',
        type=Path,
        help="a stronger detector's boxes on the training images, as a COCO results file"
        ' (`evaluate --results` writes one): distillation',
    )
    add('--teacher', type=Path, help='a YOLOX file that looks at each training picture too')
    add('--widths', type=Path, help='JSON table of widths (default: that of --init or network.py)')
    add('--out', type=Path, default=Path('runs/detector'), help='(default: %(default)s)')
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add('--threads', type=int, default=0, help='CPU threads (0: as torch chooses)')
    for entry in fields(Settings):
        option = f'--{entry.name.replace("_", "-")}'
        add(option, type=type(entry.default), default=entry.default, help='(default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    settings = Settings(**{entry.name: getattr(args, entry.name) for entry in fields(Settings)})
    images = read_coco(args.data, args.images)
    val = read_coco(args.val, args.val_images) if args.val else None
    if args.soft:
        images = with_soft(images, read_soft(args.soft, images))
    widths = BASE_WIDTHS
    if args.widths:
        widths = json.loads(args.widths.read_text(encoding='utf-8'))
    elif args.init:
        widths = load_checkpoint(args.init)['widths']
    teacher = Teacher(args.teacher, images.labels, args.threads) if args.teacher else None
    best = train(images, val, settings, widths, args.out, args.init, args.device, teacher)
    print(f'{best} is the best')


if __name__ == '__main__':
    run(main)
