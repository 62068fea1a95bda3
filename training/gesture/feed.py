"""The pictures of a set in memory, and its batches: the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import cv2
from edge_vision.core.letterbox import stretch
import numpy as np
import torch
from tqdm import tqdm
from training.augment import log_uniform
from training.coco import read_bgr
from training.gesture.augment import augmented, Flips, make_flips, Strength, View
from training.gesture.cutout import hand_alpha
from training.gesture.dataset import GestureSet, pictures_in

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # uint8 [B, S, S, 3]; classes; points

LONGEST = 2.0  # pictures are kept at this many times the network's side
MOST_BACKGROUNDS = 600
PLAIN = 0.35  # chance of a background of one colour
CROP = (0.25, 0.6)  # share of a picture's sides that a background is cut from
TRIES = 4  # cuts until there is one without a point in it
AHEAD = 3  # batches made while the network computes


def smaller(bgr: np.ndarray, longest: float) -> np.ndarray:
    """Shrink a picture whose long side exceeds `longest` pixels."""
    scale = min(1.0, longest / max(bgr.shape[:2]))
    if scale == 1:
        return bgr
    return cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


class Pictures:
    """All pictures of a set in memory as uint8, with their labels."""

    def __init__(
        self,
        images: GestureSet,
        size: int,
        flips: Flips,
        backgrounds: Path | None = None,
        quiet: bool = False,
        cutouts: bool = True,
    ) -> None:
        """
        Decode all files; one that cannot be read ends in a sentence.

        backgrounds: a folder of pictures to show around those that do not fill the square
        (default: parts of others of the set). cutouts: cut out the hands that have a box.
        """
        self.set, self.size, self.flips = images, size, flips
        self.bgr = [
            smaller(read_bgr(item.file), LONGEST * size)
            for item in tqdm(images.items, 'decode', unit='img', mininterval=2, disable=quiet)
        ]
        both = list(zip(images.items, self.bgr))
        bar = tqdm(both, desc='cut out', unit='img', mininterval=2, disable=quiet or not cutouts)
        self.alpha = [
            hand_alpha(bgr, item.box, item.points) if cutouts and item.box is not None else None
            for item, bgr in bar
        ]
        files: Sequence[Path] = pictures_in(backgrounds) if backgrounds else []
        files = files[:: max(1, len(files) // MOST_BACKGROUNDS)]
        self.others = [smaller(read_bgr(file), size) for file in files]

    def __len__(self) -> int:
        return len(self.bgr)

    @classmethod
    def plain_only(cls, images: GestureSet, size: int) -> Pictures:
        """Make those of a set that is only judged; no hands are cut out."""
        return cls(images, size, make_flips(images.labels), quiet=True, cutouts=False)

    def plain(self, index: int, side: int) -> np.ndarray:
        """Return the whole picture as the gesture node sees it, uint8 [side, side, 3]."""
        return stretch(self.bgr[index], (side, side))

    def background(self, rng: np.random.Generator, index: int, side: int) -> np.ndarray:
        """Make what is seen around a picture: one colour, or an enlarged part of another."""
        if rng.random() >= PLAIN:
            part = self._part(rng, index)
            if part is not None:
                part = part[:, ::-1] if rng.random() < 0.5 else part
                return cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)
        return np.full((side, side, 3), rng.integers(0, 256, 3), np.uint8)

    def _part(self, rng: np.random.Generator, index: int) -> np.ndarray | None:
        """Cut a part of another picture: of the same class, or without a point in it."""
        if self.others:
            return cut(rng, self.others[int(rng.integers(len(self.others)))], (0.5, 1.0))[0]
        mine = self.set.items[index].class_index
        for _ in range(TRIES):
            other = int(rng.integers(len(self)))
            item = self.set.items[other]
            part, low, high = cut(rng, self.bgr[other], CROP)
            inside = ((item.points >= low) & (item.points <= high)).all(1).any()
            if item.class_index == mine and not inside:
                return part
        return None

    def sample(
        self, rng: np.random.Generator, index: int, side: int, strength: Strength
    ) -> tuple[np.ndarray, int, np.ndarray]:
        """Make one augmented picture with its class and points."""
        item = self.set.items[index]
        background = self.background(rng, index, side)
        view = View(self.bgr[index], item.class_index, item.points, item.box, self.alpha[index])
        bgr, points, class_index = augmented(rng, view, background, self.flips, strength)
        return bgr, class_index, points


def cut(
    rng: np.random.Generator, bgr: np.ndarray, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a random part; return it with its corners x, y in 0..1."""
    share = log_uniform(rng, limits)
    low = rng.uniform(0, 1 - share, 2)
    height, width = bgr.shape[:2]
    left, top = int(low[0] * width), int(low[1] * height)
    w, h = max(2, int(share * width)), max(2, int(share * height))
    return bgr[top : top + h, left : left + w], low, low + share


def epoch_batches(
    pictures: Pictures, batch: int, repeat: int, seed: int, epoch: int
) -> list[list[tuple[int, int]]]:
    """Shuffle an epoch's pictures into batches of (index, turn); each comes `repeat` times."""
    rng = np.random.default_rng((seed, epoch))
    order = np.concatenate([rng.permutation(len(pictures)) for _ in range(repeat)])
    steps = max(1, len(order) // batch)
    return [
        [(int(order[turn]), int(turn)) for turn in turns]
        for turns in np.array_split(np.arange(min(len(order), steps * batch)), steps)
    ]


def make_batch(
    pictures: Pictures,
    keys: list[tuple[int, int]],
    seed: int,
    epoch: int,
    side: int,
    strength: Strength,
) -> Batch:
    """Make one batch; each picture follows from seed, epoch and its turn."""
    samples = [
        pictures.sample(np.random.default_rng((seed, epoch, turn)), index, side, strength)
        for index, turn in keys
    ]
    return (
        torch.from_numpy(np.stack([s[0] for s in samples])),
        torch.tensor([s[1] for s in samples]),
        torch.from_numpy(np.stack([s[2] for s in samples])),
    )


def feed(
    pictures: Pictures,
    keys: list[list[tuple[int, int]]],
    seed: int,
    epoch: int,
    side: int,
    strength: Strength,
) -> Iterator[Batch]:
    """Give an epoch's batches; the next ones are made in a thread meanwhile."""
    with ThreadPoolExecutor(1, 'pictures') as pool:
        waiting = iter(keys)

        def later(k):
            return pool.submit(make_batch, pictures, k, seed, epoch, side, strength)

        queue = [later(k) for k in islice(waiting, AHEAD)]
        try:
            while queue:
                yield queue.pop(0).result()
                queue += [later(k) for k in islice(waiting, 1)]
        finally:
            for future in queue:
                future.cancel()
