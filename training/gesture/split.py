"""
Divide a set so that pictures of one burst stay together.

Frames of one film hardly differ: with one in training and its neighbour in validation, validation
would measure memory. File names tell most: the stem before the last number is a film, where a
class has four or more of them; else runs of frames with numbers next to each other are.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
import re

from edge_vision.core.errors import UserError
import numpy as np
from training.gesture.dataset import GestureItem, GestureSet

FILMS = 4  # of a class, from which they are what is kept together
BURST = 5  # frames of a run that stay together where the names tell no more


def stem_and_number(file: Path) -> tuple[str, int | None]:
    """Take a name apart: wave_b_07.jpg is ('wave_b_', 7); no number gives None."""
    match = re.fullmatch(r'(.*?)(\d+)\D*', file.stem)
    return (match[1], int(match[2])) if match else (file.stem, None)


def groups_of(items: tuple[GestureItem, ...], burst: int = BURST) -> list[str]:
    """Name the group of each picture; groups must not be divided."""
    parts = [stem_and_number(item.file) for item in items]
    stems: dict[int, set[str]] = defaultdict(set)
    for item, (stem, _) in zip(items, parts):
        stems[item.class_index].add(stem)
    result = []
    for item, (stem, number) in zip(items, parts):
        several = FILMS <= len(stems[item.class_index]) <= len(items) // FILMS
        run = '' if several or number is None else f'#{number // burst}'
        result.append(f'{item.class_index}:{stem}{run}')
    return result


def folds_of(images: GestureSet, folds: int, burst: int = BURST, seed: int = 0) -> np.ndarray:
    """Give each picture the number of its fold, 0..folds-1; classes are spread evenly."""
    groups = groups_of(images.items, burst)
    of_class: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, (item, group) in enumerate(zip(images.items, groups)):
        of_class[item.class_index][group].append(i)
    result = np.zeros(len(images.items), np.int64)
    rng = np.random.default_rng(seed)
    for _, members in sorted(of_class.items()):
        own = np.zeros(folds)
        names = sorted(members)
        order = [names[int(i)] for i in rng.permutation(len(names))]
        for name in sorted(order, key=lambda n: -len(members[n])):
            # Into the fold with the fewest of this class; the first ones get some of every class.
            fold = int(own.argmin())
            result[members[name]] = fold
            own[fold] += len(members[name])
    return result


def split(
    images: GestureSet, share: float, burst: int = BURST, seed: int = 0
) -> tuple[GestureSet, GestureSet]:
    """Hold out about `share` of the pictures, whole groups of each class; at least one stays."""
    folds = max(2, round(1 / share))
    fold = folds_of(images, folds, burst, seed)
    classes = np.array([item.class_index for item in images.items])
    best = max(
        reversed(range(folds)),
        key=lambda f: (len(set(classes[fold == f])), -abs((fold == f).sum() - share * len(fold))),
    )
    held = fold == best
    if held.all() or not held.any():
        raise UserError(
            f'{len(images.items)} pictures of one burst cannot be divided into training and'
            ' validation; give pictures of another burst, or --val.'
        )
    return images.part(np.flatnonzero(~held)), images.part(np.flatnonzero(held))
