"""Batches of augmented pictures from worker processes, the same for the same seed."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from training.augment import compose, Strength
from training.coco import Item, read_bgr
from training.emptiness import between, is_empty, turned
from training.patches import area, Sample

CLOSE_UP = 0.4  # share of a picture that its object takes up
STEP = 32  # picture sizes are multiples of the coarsest stride


class Pictures:
    """All pictures of a set in memory as uint8, with their boxes."""

    def __init__(self, items: tuple[Item, ...], longest: int) -> None:
        """Decode all files; pictures longer than `longest` pixels are shrunk to it."""
        self.samples: list[Sample] = []
        for item in tqdm(items, desc='decode', unit='img', mininterval=2):
            bgr = read_bgr(item.file)
            scale = min(1.0, longest / max(bgr.shape[:2]))
            if scale < 1:
                bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self.samples.append(
                (bgr, item.xyxy * np.float32(scale), item.class_index, item.weight)
            )
        self.samples += [sample for sample in self.samples if fills(sample)]
        self.empty = [i for i, sample in enumerate(self.samples) if is_empty(sample)]

    def __len__(self) -> int:
        return len(self.samples)

    def draw(self, rng: np.random.Generator, empty_share: float) -> Sample:
        """Any picture; with the chance `empty_share` one without an object, or such a part."""
        if rng.random() >= empty_share:
            return self.samples[int(rng.integers(len(self)))]
        if self.empty and rng.random() < 0.5:
            sample = self.samples[self.empty[int(rng.integers(len(self.empty)))]]
            return turned(rng, sample) if rng.random() < 0.5 else sample
        sample = self.samples[int(rng.integers(len(self)))]
        part = between(rng, sample)
        return sample if part is None else part


def fills(sample: Sample) -> bool:
    """Tell whether an object takes up much of the picture; such close-ups are shown twice."""
    bgr, xyxy, _, weight = sample
    return bool((area(xyxy[weight > 0.5]) > CLOSE_UP * bgr.shape[0] * bgr.shape[1]).any())


class Augmented(Dataset):
    """One epoch's pictures: element (index, size) follows from (seed, epoch, index) alone."""

    def __init__(self, pictures: Pictures, seed: int, epoch: int, strength: Strength) -> None:
        self.pictures, self.seed, self.epoch, self.strength = pictures, seed, epoch, strength

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        index, size = key
        rng = np.random.default_rng((self.seed, self.epoch, index))
        first, draw = self.pictures.samples[index], self.pictures.draw
        bgr, xyxy, class_index, weight = compose(rng, first, draw, size, self.strength)
        rows = np.concatenate([xyxy, class_index[:, None], weight[:, None]], 1).astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(bgr)), torch.from_numpy(rows)


def collate(
    samples: list[tuple[torch.Tensor, torch.Tensor]],
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Stack the pictures of a batch; the label rows stay a list."""
    return torch.stack([s[0] for s in samples]), [s[1] for s in samples]


def one_thread(_: int) -> None:
    """Keep a worker to one core."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def batches_of(
    count: int, batch: int, seed: int, epoch: int, middle: int, spread: int
) -> list[list[tuple[int, int]]]:
    """
    Shuffle an epoch's pictures into batches of keys (index, size).

    Each batch has one size: `middle` pixels, give or take `spread`.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(count)
    steps = max(1, count // batch)
    result = []
    for part in np.array_split(order[: steps * batch], steps):
        size = middle + STEP * int(rng.integers(-(spread // STEP), spread // STEP + 1))
        result.append([(int(i), size) for i in part])
    return result


def epoch_loader(
    pictures: Pictures,
    keys: list[list[tuple[int, int]]],
    seed: int,
    epoch: int,
    strength: Strength,
    workers: int,
) -> DataLoader:
    """Serve one epoch's batches: (uint8 [B, S, S, 3], list of rows [n, 6])."""
    return DataLoader(
        Augmented(pictures, seed, epoch, strength),
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=one_thread if workers else None,
    )
