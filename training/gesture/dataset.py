"""Read sets of gesture pictures: folders of classes, or a CSV of points."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
import math
from pathlib import Path

from edge_vision.core.errors import UserError
import numpy as np
from training.gesture.network import CLASSIFICATION, REGRESSION

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
LEAST_CLASSES = 2
BOX_COLUMNS = ('hand_x0', 'hand_y0', 'hand_x1', 'hand_y1')  # optional, in any CSV


@dataclass(frozen=True)
class GestureItem:
    """
    One picture.

    class_index: its class, -1 in a set of points. points: [P, 2] in 0..1 of width and height, NaN
    where a point is not labelled; empty in a set of classes. box: x0 y0 x1 y1 of the hand in 0..1,
    where that is known.
    """

    file: Path
    class_index: int
    points: np.ndarray
    box: np.ndarray | None = None


@dataclass(frozen=True)
class GestureSet:
    """All pictures of one set; labels are the names of the classes, or of the points."""

    task: str
    labels: tuple[str, ...]
    items: tuple[GestureItem, ...]

    def part(self, indices: np.ndarray) -> GestureSet:
        """Return the set of some of the pictures."""
        return replace(self, items=tuple(self.items[int(i)] for i in indices))

    @property
    def counts(self) -> list[int]:
        """Pictures of each class, or with each point."""
        if self.task == REGRESSION:
            known = [np.isfinite(item.points).all(1) for item in self.items]
            return np.sum(known, 0).tolist() if known else [0] * len(self.labels)
        chosen = [item.class_index for item in self.items]
        return np.bincount(chosen, minlength=len(self.labels)).tolist()


def pictures_in(folder: Path) -> list[Path]:
    """All pictures of a folder, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def read_classes(folder: Path, labels: tuple[str, ...] | None = None) -> GestureSet:
    """
    Read FOLDER/CLASS/*.jpg; the classes are the sorted names of its folders.

    labels: the classes wanted, where another set or a network has set them.
    """
    if not folder.is_dir():
        raise UserError(f'{folder} is not a folder; it should hold one folder for each class.')
    found = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith('.'))
    if labels is None and len(found) < LEAST_CLASSES:
        raise UserError(
            f'{folder} has {len(found)} class folder{"" if len(found) == 1 else "s"}'
            f' ({", ".join(found) or "none"}); two or more are needed.'
        )
    unknown = [name for name in found if labels is not None and name not in labels]
    if unknown:
        raise UserError(
            f"{folder} has the class '{unknown[0]}', but only {', '.join(labels or ())} are known."
        )
    names = tuple(found) if labels is None else labels
    files = {name: pictures_in(folder / name) for name in found}
    empty = [name for name in found if not files[name]]
    if empty and labels is None:
        raise UserError(
            f"The class '{empty[0]}' of {folder} has no pictures"
            f' ({", ".join(s[1:] for s in SUFFIXES)} are read); add some or remove the folder.'
        )
    none = np.zeros((0, 2), np.float32)
    items = [GestureItem(f, names.index(name), none) for name in found for f in files[name]]
    if not items:
        raise UserError(f'{folder} has no pictures in its class folders.')
    return GestureSet(CLASSIFICATION, names, tuple(items))


def read_points(
    data: Path, images: Path | None = None, points: tuple[str, ...] | None = None
) -> GestureSet:
    """
    Read a CSV with the columns `file`, and NAME_x, NAME_y of each point.

    images: the image folder (default: X/ beside X.csv). points: the names wanted (default: all).
    Cells may be empty where a point cannot be seen.
    """
    folder = images or data.with_suffix('')
    columns, rows = read_rows(data)
    names = points or tuple(
        c[:-2] for c in columns if c.endswith('_x') and f'{c[:-2]}_y' in columns
    )
    missing = [
        c for c in ('file', *(f'{n}_{axis}' for n in names for axis in 'xy')) if c not in columns
    ]
    if missing or not names:
        wanted = f"no column '{missing[0]}'" if missing else 'no columns NAME_x and NAME_y'
        raise UserError(f'{data} has {wanted}; it has {", ".join(columns) or "no header"}.')
    if not rows:
        raise UserError(f'{data} lists no pictures.')
    if not folder.is_dir():
        raise UserError(
            f'The image folder {folder} of {data} does not exist; name it with --images.'
        )
    items = tuple(
        GestureItem(folder / row['file'], -1, points_of(data, row, names), box_of(data, row))
        for row in rows
    )
    absent = [item.file.name for item in items if not item.file.is_file()]
    if absent:
        raise UserError(
            f'{len(absent)} of the {len(items)} pictures of {data} are not in {folder},'
            f' {absent[0]} among them.'
        )
    return GestureSet(REGRESSION, names, items)


def read_rows(data: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a CSV: its columns and its rows."""
    if not data.is_file():
        raise UserError(f'{data} is not a file; it should be a CSV.')
    with open(data, newline='', encoding='utf-8-sig') as text:
        reader = csv.DictReader(text)
        try:
            return list(reader.fieldnames or []), list(reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f'{data} is not a CSV file ({error}).') from error


def number_of(data: Path, row: dict[str, str], column: str) -> float:
    """Read a number in 0..1, NaN of an empty cell."""
    text = (row[column] or '').strip()
    try:
        value = float(text) if text else math.nan
    except ValueError as error:
        raise UserError(
            f"{data}: {column} of {row['file']} is '{text}', which is no number."
        ) from error
    if text and not 0 <= value <= 1:
        raise UserError(
            f'{data}: {column} of {row["file"]} is {text}, outside the picture; places are given'
            ' in 0..1 of its width and height.'
        )
    return value


def box_of(data: Path, row: dict[str, str]) -> np.ndarray | None:
    """Read where the hand is, if the row says so."""
    if not all((row.get(column) or '').strip() for column in BOX_COLUMNS):
        return None
    box = np.array([number_of(data, row, column) for column in BOX_COLUMNS], np.float32)
    if (box[2:] <= box[:2]).any():
        raise UserError(f'{data}: the hand box of {row["file"]} is empty ({box.tolist()}).')
    return box


def with_boxes(images: GestureSet, data: Path) -> GestureSet:
    """Add where the hands are, of a CSV whose `file` is like thumb_up/01.jpg."""
    columns, rows = read_rows(data)
    missing = [column for column in ('file', *BOX_COLUMNS) if column not in columns]
    if missing:
        raise UserError(f"{data} has no column '{missing[0]}'; it has {', '.join(columns)}.")
    boxes = {row['file']: box_of(data, row) for row in rows}
    items = [
        replace(item, box=boxes.get(f'{item.file.parent.name}/{item.file.name}', item.box))
        for item in images.items
    ]
    return replace(images, items=tuple(items))


def with_extra(images: GestureSet, label: str, data: Path, most: int) -> GestureSet:
    """Add pictures to a class: at most `most` of a folder, or of a CSV with their hand boxes."""
    if label not in images.labels:
        raise UserError(f"--extra has the class '{label}'; {', '.join(images.labels)} are known.")
    none, index = np.zeros((0, 2), np.float32), images.labels.index(label)
    if data.suffix.lower() == '.csv':
        found = [GestureItem(i.file, index, none, i.box) for i in read_points(data).items]
    elif data.is_dir():
        found = [GestureItem(file, index, none) for file in pictures_in(data)]
    else:
        raise UserError(f'--extra: {data} is neither a folder of pictures nor a CSV.')
    chosen = found[:: max(1, -(-len(found) // most))]
    return replace(images, items=(*images.items, *chosen))


def points_of(data: Path, row: dict[str, str], names: tuple[str, ...]) -> np.ndarray:
    """Read one row's points, [P, 2], and check that they lie in the picture."""
    values = [number_of(data, row, f'{name}_{axis}') for name in names for axis in 'xy']
    return np.array(values, np.float32).reshape(-1, 2)


def read_set(
    data: Path, images: Path | None = None, labels: tuple[str, ...] | None = None
) -> GestureSet:
    """Read a folder of classes or a CSV of points, whichever `data` is."""
    if data.suffix.lower() == '.csv':
        return read_points(data, images, labels)
    return read_classes(data, labels)
