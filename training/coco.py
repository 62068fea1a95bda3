"""Read and check an image set in COCO format (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path

import cv2
from edge_vision.core.errors import UserError
import numpy as np

SURE = 1.0  # weight of a labelled box
DOUBT = 0.0  # weight of a box marked `iscrowd`: neither object nor background
LEAST_SIDE = 1.0  # pixels; labels thinner than this within the picture are dropped


@dataclass(frozen=True)
class Item:
    """
    One picture with its boxes.

    xyxy: [n, 4] in pixels. class_index: [n]. weight: [n] in 0..1, 0 where in doubt.
    """

    image_id: int
    file: Path
    size_wh: tuple[int, int]
    xyxy: np.ndarray
    class_index: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class ImageSet:
    """
    All pictures of a COCO file.

    labels[class_index] is a category's name, category_ids[class_index] its number in the file.
    """

    labels: tuple[str, ...]
    category_ids: tuple[int, ...]
    items: tuple[Item, ...]

    @property
    def boxes(self) -> int:
        """Boxes that are not in doubt."""
        return sum(int((item.weight > 0).sum()) for item in self.items)


def images_beside(data: Path) -> Path:
    """Return the image folder of X.json: X/ beside it."""
    return data.with_suffix('')


def read_coco(data: Path, images: Path | None = None) -> ImageSet:
    """Read a COCO file and check that pictures, boxes and categories agree."""
    folder = images or images_beside(data)
    coco = read_json(data)
    categories = sorted(coco['categories'], key=lambda c: c['id'])
    index_of = {c['id']: i for i, c in enumerate(categories)}
    if not categories:
        raise UserError(f'{data} names no category.')
    by_image: dict[int, list[dict]] = {image['id']: [] for image in coco['images']}
    for annotation in coco['annotations']:
        if annotation['category_id'] not in index_of:
            raise UserError(
                f'{data}: annotation {annotation.get("id")} has category'
                f' {annotation["category_id"]}, but the file defines only {sorted(index_of)}.'
            )
        if annotation['image_id'] not in by_image:
            raise UserError(
                f'{data}: annotation {annotation.get("id")} belongs to image'
                f' {annotation["image_id"]}, which the file does not list.'
            )
        by_image[annotation['image_id']].append(annotation)
    items = tuple(
        item_of(data, folder, image, by_image[image['id']], index_of) for image in coco['images']
    )
    check_files(data, folder, items)
    result = ImageSet(
        tuple(c['name'] for c in categories), tuple(c['id'] for c in categories), items
    )
    if result.boxes == 0:
        raise UserError(f'{data} has {len(items)} images but not a single box.')
    return result


def read_json(data: Path) -> dict:
    """Load the file; it must be an object with the three lists of a COCO file."""
    if not data.is_file():
        raise UserError(f'{data} is not a file.')
    try:
        coco = json.loads(data.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f'{data} is not JSON ({error}).') from error
    missing = [
        k
        for k in ('images', 'annotations', 'categories')
        if not isinstance(coco, dict) or k not in coco
    ]
    if missing:
        raise UserError(f'{data} is not a COCO file: it has no {" and no ".join(missing)}.')
    if not coco['images']:
        raise UserError(f'{data} lists no images.')
    return coco


def item_of(
    data: Path, folder: Path, image: dict, annotations: list[dict], index_of: dict[int, int]
) -> Item:
    """
    Turn one image entry with its annotations into an Item.

    Boxes that overhang the picture are cut at its edge; one that lies outside is an error.
    """
    width, height = image['width'], image['height']
    xyxy, classes, weights = [], [], []
    for annotation in annotations:
        x, y, w, h = annotation['bbox']
        cut = [max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)]
        if cut[2] <= cut[0] or cut[3] <= cut[1]:
            if w <= 0 or h <= 0:
                continue
            raise UserError(
                f'{data}: box {[x, y, w, h]} of annotation {annotation.get("id")} lies outside'
                f' {image["file_name"]}, which is {width} x {height} pixels.'
            )
        if min(cut[2] - cut[0], cut[3] - cut[1]) < LEAST_SIDE:
            continue
        xyxy.append(cut)
        classes.append(index_of[annotation['category_id']])
        weights.append(DOUBT if annotation.get('iscrowd') else SURE)
    return Item(
        image['id'],
        folder / image['file_name'],
        (width, height),
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array(classes, np.int64),
        np.array(weights, np.float32),
    )


def check_files(data: Path, folder: Path, items: tuple[Item, ...]) -> None:
    """Every listed picture must be there."""
    if not folder.is_dir():
        raise UserError(
            f'The image folder {folder} of {data} does not exist; name it with --images.'
        )
    missing = [item.file.name for item in items if not item.file.is_file()]
    if missing:
        raise UserError(
            f'{len(missing)} of the {len(items)} images of {data} are not in {folder},'
            f' {missing[0]} among them.'
        )


def read_bgr(file: Path) -> np.ndarray:
    """Read a picture as uint8 [H, W, 3], BGR."""
    bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise UserError(f'{file} is not a picture that OpenCV can read.')
    return bgr


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each box of `a` [n, 4] with each of `b` [m, 4], xyxy."""
    side = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inner = np.clip(side, 0, None).prod(2)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    return inner / np.maximum(area_a[:, None] + area_b[None] - inner, 1e-9)
