"""Small image sets made on the spot, and where the real ones lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
import sys

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SIDE = 96  # pixels


def make_set(folder: Path, labels: tuple[str, ...], count: int, seed: int = 0) -> Path:
    """Write `count` pictures of coloured rectangles, one colour a class, and their COCO file."""
    rng = np.random.default_rng(seed)
    (folder / 'toy').mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        bgr = rng.integers(90, 120, (SIDE, SIDE, 3), dtype=np.uint8)
        images.append(
            {'id': number, 'file_name': f'{number}.png', 'width': SIDE, 'height': SIDE}
        )
        for _ in range(int(rng.integers(0, 3)) if number > 1 else 1):
            index = int(rng.integers(len(labels)))
            w, h = (int(v) for v in rng.integers(20, 50, 2))
            x, y = int(rng.integers(0, SIDE - w)), int(rng.integers(0, SIDE - h))
            bgr[y : y + h, x : x + w] = np.eye(3, dtype=np.uint8)[index % 3] * 255
            box = {'bbox': [x, y, w, h], 'area': w * h, 'iscrowd': 0}
            annotations.append(
                {'id': len(annotations) + 1, 'image_id': number, 'category_id': index + 5, **box}
            )
        cv2.imwrite(str(folder / 'toy' / f'{number}.png'), bgr)
    categories = [{'id': i + 5, 'name': name} for i, name in enumerate(labels)]
    coco = {'images': images, 'annotations': annotations, 'categories': categories}
    file = folder / 'toy.json'
    file.write_text(json.dumps(coco), encoding='utf-8')
    return file


@pytest.fixture(autouse=True)
def one_thread():
    """Let no thread wait for another on a busy machine."""
    torch = sys.modules.get('torch')
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def toy(tmp_path) -> Path:
    """Give the COCO file of ten pictures with one class."""
    return make_set(tmp_path, ('person',), 10)


@pytest.fixture
def shared() -> Path:
    """Give the folder of real data, or skip where this machine has none."""
    folder = Path(os.environ.get('EDGE_VISION_SHARED', REPOSITORY.parent / 'shared'))
    if not (folder / 'data').is_dir():
        pytest.skip(f'no data in {folder}')
    return folder
