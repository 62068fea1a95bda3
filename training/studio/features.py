"""What the frozen backbone sees in each picture, computed once and kept beside the project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from training.gesture.augment import Flips, MILD
from training.gesture.dataset import GestureItem, GestureSet
from training.gesture.feed import Pictures
from training.gesture.network import GestureNet, to_input
from training.studio.files import write_whole

VIEWS = 400  # of all pictures together, about: what a short training should see
FEWEST, MOST = 2, 6  # views of a picture: the plain one, and gently moved ones
BATCH = 16
STILL = replace(MILD, flip=0.0)


@dataclass(frozen=True)
class Views:
    """Features [V, ...] of one picture's views, float32, with the points [V, P, 2] in each."""

    features: np.ndarray
    points: np.ndarray


def views_of(count: int) -> int:
    """How many views each of `count` pictures gets."""
    return min(MOST, max(FEWEST, round(VIEWS / max(1, count))))


def backbone_key(model: GestureNet, size: int) -> str:
    """Name a backbone by its weights and the size of its pictures."""
    digest = hashlib.sha1(f'{model.task} {size}'.encode())
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith('fc.'):
            digest.update(tensor.detach().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def picture_key(item: GestureItem, mirror: bool) -> str:
    """Name a picture by its bytes and points; the class may change without harm."""
    digest = hashlib.sha1(item.file.read_bytes())
    digest.update(item.points.tobytes() + bytes([mirror]))
    return digest.hexdigest()[:24]


def mirrored(bgr: np.ndarray, points: np.ndarray, flips: Flips) -> tuple[np.ndarray, np.ndarray]:
    """Exchange left and right, also in the names of points."""
    turned = points.copy()
    if len(points):
        turned[:, 0] = 1 - turned[:, 0]
        turned = turned[list(flips.horizontal)]
    return np.ascontiguousarray(bgr[:, ::-1]), turned


def is_mirrored(view: int, mirror: bool) -> bool:
    """Tell whether the features of a view are of its mirror image."""
    return mirror and view % 2 == 1


class FeatureStore:
    """Features of one backbone in a folder, a file for each picture."""

    def __init__(self, folder: Path, model: GestureNet, size: int, mirror: bool):
        """Keep them in a folder of the backbone's own."""
        self._folder = folder / backbone_key(model, size)
        self._model, self._size, self._mirror = model.eval(), size, mirror
        self._folder.mkdir(parents=True, exist_ok=True)

    def views(
        self, images: GestureSet, flips: Flips, count: int, progress: Callable[[int], None]
    ) -> list[Views]:
        """
        Give `count` views of each picture of a set; what is not kept yet is computed.

        progress is called with the number of pictures done, and may raise to end it.
        """
        found: list[Views | None] = [self._read(item, count) for item in images.items]
        missing = [i for i, views in enumerate(found) if views is None]
        if missing:
            pictures = Pictures(images, self._size, flips, quiet=True)
        for i in missing:
            progress(i)
            found[i] = self._compute(pictures, i, flips, count)
        return [views for views in found if views is not None]

    def _file(self, item: GestureItem) -> Path:
        return self._folder / f'{picture_key(item, self._mirror)}.npz'

    def _read(self, item: GestureItem, count: int) -> Views | None:
        try:
            with np.load(self._file(item), allow_pickle=False) as kept:
                features, points = kept['features'], kept['points']
        except (OSError, ValueError, KeyError, EOFError):
            return None
        if len(features) < count:
            return None
        return Views(features[:count].astype(np.float32), points[:count])

    def _compute(self, pictures: Pictures, index: int, flips: Flips, count: int) -> Views:
        item = pictures.set.items[index]
        seed = int(picture_key(item, False)[:12], 16)
        made = []
        for view in range(count):
            bgr, points = pictures.plain(index, self._size), item.points
            if view:
                rng = np.random.default_rng((seed, view))
                bgr, _, points = pictures.sample(rng, index, self._size, STILL)
            made.append(
                mirrored(bgr, points, flips) if is_mirrored(view, self._mirror) else (bgr, points)
            )
        features = self._see(np.stack([bgr for bgr, _ in made]))
        views = Views(features, np.stack([points for _, points in made]).astype(np.float32))
        packed = io.BytesIO()
        np.savez(packed, features=features.astype(np.float16), points=views.points)
        write_whole(self._file(item), packed.getvalue(), 'the features', durable=False)
        return views

    @torch.no_grad()
    def _see(self, bgr: np.ndarray) -> np.ndarray:
        parts = [
            self._model.features(to_input(torch.from_numpy(bgr[i : i + BATCH])))
            for i in range(0, len(bgr), BATCH)
        ]
        return torch.cat(parts).float().numpy()
