"""
Train a detector on a COCO-format image set, from nothing or from other weights.

    python -m training.train_detector --data person/train.json --val person/val.json --out runs/person

writes to the run folder: last.pt (after each epoch; the same command goes on from it after a kill), best.pt (the best
AP50 on --val, else the newest), curves.csv and curves.png. Export with `python -m training.export_onnx`.
A user's own classes, from the shipped detector's weights:

    python -m training.train_detector --data mine.json --init runs/person/best.pt --out runs/mine --epochs 30
"""
from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
import json
import math
from pathlib import Path
import time

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from training.augment import FINAL, Strength
from training.average import Average, settle_batch_norm
from training.checkpoint import init_weights, load_checkpoint, save_checkpoint
from training.coco import ImageSet, read_coco, with_soft
from training.curves import write_curves
from training.errors import InputError, run
from training.feed import batches_of, epoch_loader, Pictures
from training.loss import detection_loss, LossSettings
from training.network import BASE_WIDTHS, cells, Detector
from training.predict import evaluate_network, to_input

SETTLE_BATCHES = 16  # batches on which the averaged network's batch norm is measured


@dataclass(frozen=True)
class Settings:
    """What a run depends on; kept in its checkpoints."""

    epochs: int = 150
    minutes: float = 0.0  # where above 0, the run's length: the schedule follows the clock, not the epochs
    batch: int = 32
    size: int = 320  # input side of the finished detector, pixels
    start_size: int = 224  # training begins at this side and grows to `size`
    spread: int = 32  # pixels by which a batch's side may differ
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 400
    flat: float = 0.4  # share of the run at full rate, before the cosine to zero
    final: float = 0.2  # share of the run, at its end, with mild augmentation at full size
    average_decay: float = 0.998
    clip: float = 10.0  # greatest norm of the gradient
    seed: int = 0
    val_every: int = 2  # epochs between evaluations
    workers: int = 2
    precision: str = 'bfloat16'


def share_done(settings: Settings, epoch: float, spent_s: float) -> float:
    """Share of the run that is behind, 0..1; `epoch` counts in fractions."""
    return min(1.0, spent_s / (60 * settings.minutes) if settings.minutes > 0 else epoch / settings.epochs)


def learning_rate(settings: Settings, done: float, step: int) -> float:
    """Linear warm-up, flat, then a cosine to zero; `done` is the share of the run that is behind."""
    if done > settings.flat:
        fade = 0.5 * (1 + math.cos(math.pi * (done - settings.flat) / (1 - settings.flat)))
    else:
        fade = 1.0
    return settings.lr * min(1.0, (step + 1) / settings.warmup_steps) * fade


def picture_size(settings: Settings, done: float) -> tuple[int, int, Strength]:
    """Return the side of an epoch's pictures, its spread and the augmentation: small and wild to full and mild."""
    if done >= 1 - settings.final:
        return settings.size, 0, FINAL
    share = done / (1 - settings.final)
    side = settings.start_size + share * (settings.size - settings.start_size)
    return int(round(side / 32)) * 32, settings.spread, Strength()


def make_optimizer(model: Detector, settings: Settings) -> torch.optim.Optimizer:
    """AdamW; only convolution kernels decay."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW([{'params': kernels, 'weight_decay': settings.weight_decay},
                              {'params': others, 'weight_decay': 0.0}], lr=settings.lr, betas=(0.9, 0.99))


def train_epoch(model: Detector, average: Average, optimizer: torch.optim.Optimizer, loader: Iterator,
                settings: Settings, epoch: int, step: int, clock: Callable[[], float],
                device: torch.device) -> tuple[int, dict[str, float]]:
    """Train for one epoch; return the number of steps taken in all, and the mean losses."""
    model.train()
    sums, places = {'class': 0.0, 'box': 0.0}, {}
    bar = tqdm(loader, desc=f'epoch {epoch + 1}', unit='batch', mininterval=5)
    for i, (bgr, labels) in enumerate(bar):
        rate = learning_rate(settings, share_done(settings, epoch + i / len(loader), clock()), step)
        for group in optimizer.param_groups:
            group['lr'] = rate
        side = bgr.shape[1]
        if side not in places:
            places[side] = tuple(t.to(device) for t in cells(side))
        pictures = to_input(bgr.to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == 'bfloat16'):
            raw = model(pictures)
        loss, parts = detection_loss(raw.float(), *places[side], [r.to(device) for r in labels], LossSettings())
        if not math.isfinite(float(loss.detach())):
            raise InputError(f'The loss is {float(loss.detach())} in epoch {epoch + 1}, batch {i + 1} (rate {rate:.2g}); stopped.'
                             ' The last good checkpoint is kept; try a lower --lr.')
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        average.update(model)
        step += 1
        sums = {k: v + parts[k] for k, v in sums.items()}
        bar.set_postfix({k: f'{v / (i + 1):.3f}' for k, v in sums.items()}, refresh=False)
    return step, {k: v / len(loader) for k, v in sums.items()}


def settle(average: Average, pictures: Pictures, settings: Settings, epoch: int, strength: Strength,
           device: torch.device) -> None:
    """Measure the averaged network's batch norm on pictures as they are in training, at full size."""
    keys = batches_of(len(pictures), settings.batch, settings.seed + 1, epoch, settings.size, 0)[:SETTLE_BATCHES]
    loader = epoch_loader(pictures, keys, settings.seed + 1, epoch, strength, settings.workers)
    settle_batch_norm(average.model, (to_input(bgr.to(device)) for bgr, _ in loader))


def train(images: ImageSet, val: ImageSet | None, settings: Settings, widths: dict[str, list[int]], out: Path,
          init: Path | None = None, device: torch.device = torch.device('cpu')) -> Path:
    """Train in `out`, going on from its last.pt where there is one; return the best checkpoint's path."""
    # 1. the network
    torch.manual_seed(settings.seed)
    model = Detector(widths, len(images.labels)).to(device, memory_format=torch.channels_last)
    last, best = out / 'last.pt', out / 'best.pt'
    if init is not None and not last.is_file():
        init_weights(model, load_checkpoint(init), init)
    average = Average(model, settings.average_decay)
    optimizer = make_optimizer(model, settings)
    epoch, step, spent_s, history = 0, 0, 0.0, []
    # 2. where an earlier run stopped
    if last.is_file():
        state = load_checkpoint(last)
        if state['widths'] != model.widths or tuple(state['labels']) != images.labels:
            raise InputError(f'{last} is of another network or other classes; choose another --out.')
        model.load_state_dict(state['model'])
        average.model.load_state_dict(state['average'])
        average.steps = state['step']
        optimizer.load_state_dict(state['optimizer'])
        epoch, step, spent_s, history = state['epoch'], state['step'], state['spent_s'], state['history']
        print(f'going on after epoch {epoch}')
    # 3. the pictures
    pictures = Pictures(images.items, 2 * settings.size)
    # 4. training
    first, begin_s = epoch, time.monotonic() - spent_s

    def clock() -> float:
        return time.monotonic() - begin_s

    while share_done(settings, epoch, clock()) < 1:
        side, spread, strength = picture_size(settings, share_done(settings, epoch, clock()))
        keys = batches_of(len(pictures), settings.batch, settings.seed, epoch, side, spread)
        loader = epoch_loader(pictures, keys, settings.seed, epoch, strength, settings.workers)
        step, losses = train_epoch(model, average, optimizer, loader, settings, epoch, step, clock, device)
        epoch += 1
        done = share_done(settings, epoch, clock())
        row = {'epoch': epoch, 'size': side, 'lr': optimizer.param_groups[0]['lr'], **losses}
        judged = epoch % settings.val_every == 0 or done >= 1
        if judged:
            settle(average, pictures, settings, epoch - 1, strength, device)
            if val is not None:
                row.update(evaluate_network(average.model, val, settings.size))
        history.append(row)
        state = {'settings': asdict(settings), 'labels': list(images.labels), 'widths': model.widths,
                 'size': settings.size, 'epoch': epoch, 'step': step, 'spent_s': clock(), 'history': history,
                 'model': model.state_dict(), 'average': average.model.state_dict()}
        if judged and row.get('ap50', 0.0) >= max((r.get('ap50', 0.0) for r in history), default=0.0):
            save_checkpoint(best, state)
        save_checkpoint(last, {**state, 'optimizer': optimizer.state_dict()})
        write_curves(out, history)
        left_s = (clock() - spent_s) / (epoch - first) * (settings.epochs - epoch)
        if settings.minutes > 0:
            left_s = 60 * settings.minutes - clock()
        ap = f', AP50 {row["ap50"]:.3f}, AP {row["ap"]:.3f}' if 'ap50' in row else ''
        print(f'epoch {epoch} ({done:.0%}): class {losses["class"]:.3f}, box {losses["box"]:.3f}{ap};'
              f' about {left_s / 60:.0f} min left', flush=True)
    return best


def read_soft(file: Path, images: ImageSet) -> dict[int, np.ndarray]:
    """Read a COCO results file as rows [n, 6] x0 y0 x1 y1 score class_index by image."""
    rows: dict[int, list[list[float]]] = {}
    for entry in json.loads(file.read_text(encoding='utf-8')):
        x, y, w, h = entry['bbox']
        index = images.category_ids.index(entry['category_id'])
        rows.setdefault(entry['image_id'], []).append([x, y, x + w, y + h, entry['score'], index])
    return {k: np.array(v, np.float32) for k, v in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='COCO file to train on')
    parser.add_argument('--images', type=Path, help='its image folder (default: X/ beside X.json)')
    parser.add_argument('--val', type=Path, help='COCO file to choose the best epoch on')
    parser.add_argument('--val-images', type=Path, help='its image folder')
    parser.add_argument('--init', type=Path, help='checkpoint to start from; classes may differ')
    parser.add_argument('--soft', type=Path, help="a stronger detector's boxes on the training images, as a COCO"
                        ' results file (`evaluate --results` writes one): distillation')
    parser.add_argument('--widths', type=Path, help='JSON table of widths (default: BASE_WIDTHS of network.py)')
    parser.add_argument('--out', type=Path, default=Path('runs/detector'), help='run folder (default: %(default)s)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads (0: as torch chooses)')
    for field in fields(Settings):
        parser.add_argument(f'--{field.name.replace("_", "-")}', type=type(field.default), default=field.default,
                            help=f'(default: {field.default})')
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    settings = Settings(**{f.name: getattr(args, f.name) for f in fields(Settings)})
    images = read_coco(args.data, args.images)
    val = read_coco(args.val, args.val_images) if args.val else None
    if args.soft:
        images = ImageSet(images.labels, images.category_ids, with_soft(images.items, read_soft(args.soft, images)))
    if args.widths:
        widths = json.loads(args.widths.read_text(encoding='utf-8'))
    elif args.init:
        widths = load_checkpoint(args.init)['widths']
    else:
        widths = BASE_WIDTHS
    args.out.mkdir(parents=True, exist_ok=True)
    best = train(images, val, settings, widths, args.out, args.init, torch.device(args.device))
    print(f'best checkpoint: {best}')


if __name__ == '__main__':
    run(main)
