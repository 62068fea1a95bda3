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

Key = tuple[int, int, int]  # picture, turn in the epoch, side in pixels

CLOSE_UP = 0.4  # share of a picture that its object takes up
STEP = 32  # picture sizes are multiples of the coarsest stride


class Pictures:
    """All pictures of a set in memory as uint8, with their boxes."""

    def __init__(
        self, items: tuple[Item, ...], longest: int, shares: dict[str, float] | None = None
    ) -> None:
        """
        Decode all files; pictures longer than `longest` pixels are shrunk to it.

        shares: how often pictures are shown in an epoch, by the beginning of their file names; 1
        where nothing is said, and twice as often where an object fills the picture.
        """
        self.samples: list[Sample] = []
        self.shares = np.ones(len(items))
        for item in tqdm(items, desc='decode', unit='img', mininterval=2):
            bgr = read_bgr(item.file)
            scale = min(1.0, longest / max(bgr.shape[:2]))
            if scale < 1:
                bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self.samples.append(
                (bgr, item.xyxy * np.float32(scale), item.class_index, item.weight)
            )
        for i, item in enumerate(items):
            named = [v for k, v in (shares or {}).items() if item.file.name.startswith(k)]
            self.shares[i] = named[0] if named else 1.0
        self.shares *= 1 + np.array([fills(sample) for sample in self.samples])
        self.empty = [i for i, sample in enumerate(self.samples) if is_empty(sample)]

    def __len__(self) -> int:
        return len(self.samples)

    def draw(self, rng: np.random.Generator, empty_share: float) -> Sample:
        """Any picture; with the chance `empty_share` one without an object, or such a part."""
        if rng.random() >= empty_share:
            return self.samples[self.any(rng)]
        if self.empty and rng.random() < 0.5:
            sample = self.samples[self.empty[int(rng.integers(len(self.empty)))]]
            return turned(rng, sample) if rng.random() < 0.5 else sample
        sample = self.samples[self.any(rng)]
        part = between(rng, sample)
        return sample if part is None else part

    def any(self, rng: np.random.Generator) -> int:
        """Draw a picture's number, as often as its share says."""
        while True:
            index = int(rng.integers(len(self)))
            if rng.random() * self.shares.max() < self.shares[index]:
                return index


def fills(sample: Sample) -> bool:
    """Tell whether an object takes up much of the picture; such close-ups are shown twice."""
    bgr, xyxy, _, weight = sample
    return bool((area(xyxy[weight > 0.5]) > CLOSE_UP * bgr.shape[0] * bgr.shape[1]).any())


class Augmented(Dataset):
    """One epoch's pictures: element (index, turn, size) follows from seed, epoch and key."""

    def __init__(self, pictures: Pictures, seed: int, epoch: int, strength: Strength) -> None:
        self.pictures, self.seed, self.epoch, self.strength = pictures, seed, epoch, strength

    def __getitem__(self, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        index, turn, size = key
        rng = np.random.default_rng((self.seed, self.epoch, turn))
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
    shares: np.ndarray, batch: int, seed: int, epoch: int, middle: int, spread: int
) -> list[list[Key]]:
    """
    Shuffle an epoch's pictures into batches of keys (index, turn, size).

    Each batch has one size: `middle` pixels, give or take `spread`. A picture with a share of 1.5
    comes once or twice.
    """
    rng = np.random.default_rng((seed, epoch))
    times = np.floor(shares + rng.random(len(shares))).astype(int)
    order = rng.permutation(np.repeat(np.arange(len(shares)), times))
    count = len(order)
    steps = max(1, count // batch)
    result = []
    for turns in np.array_split(np.arange(min(count, steps * batch)), steps):
        size = middle + STEP * int(rng.integers(-(spread // STEP), spread // STEP + 1))
        result.append([(int(order[turn]), int(turn), size) for turn in turns])
    return result


def epoch_loader(
    pictures: Pictures,
    keys: list[list[Key]],
    seed: int,
    epoch: int,
    strength: Strength,
    workers: int,
) -> DataLoader:
    """Serve one epoch's batches: (uint8 [B, S, S, 3], list of rows [n, 6])."""
    if workers:
        # OpenCV's pool of threads does not survive a fork: a worker would wait for it for ever
        cv2.setNumThreads(1)
    return DataLoader(
        Augmented(pictures, seed, epoch, strength),
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=one_thread if workers else None,
    )
