"""What a folder of pictures is: which kind of project, with which data sets and categories."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
import os
from pathlib import Path
from typing import Any

from edge_vision.core.errors import UserError
from training.studio.files import read_json, write_json
from training.studio.images import SUFFIXES
from training.studio.table import point_names

CLASSIFICATION, POINTS = 'classification', 'points'
KINDS = (CLASSIFICATION, POINTS)
FILE = 'project.json'
OWN = '.studio'  # folder of what is the studio's own: runs, features, trash


@dataclass
class Layout:
    """
    What project.json holds, in the order in which the user made it.

    flat: the folder itself is its only data set, as a folder of class folders is that came from
    elsewhere; `sets` then holds its name.
    """

    kind: str = CLASSIFICATION
    sets: list[str] = field(default_factory=lambda: ['A'])
    categories: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    flat: bool = False

    def write(self, folder: Path) -> None:
        """Keep it."""
        write_json(folder / FILE, vars(self), 'the project')


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder that are not hidden, sorted."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.name[0] != '.' and e.is_dir())
    except OSError:
        return []


def pictures_in(folder: Path) -> list[str]:
    """Names of the pictures in a folder, sorted."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                e.name
                for e in entries
                if e.name[0] != '.' and os.path.splitext(e.name)[1].lower() in SUFFIXES
            )
    except OSError:
        return []


def read_layout(folder: Path) -> Layout | None:
    """
    Tell what a folder is: by its project.json, else by what lies in it; None for no project.

    Folders and categories that somebody has added by hand belong to it.
    """
    if (folder / FILE).is_file():
        layout = from_json(read_json(folder / FILE, None), folder)
    else:
        guessed = guess(folder)
        if guessed is None:
            return None
        layout = guessed
    if not layout.flat:
        known = {name.casefold() for name in layout.sets}
        layout.sets += [n for n in folders_in(folder) if n.casefold() not in known]
    if layout.kind == CLASSIFICATION:
        for name in layout.sets:
            inside = folders_in(folder if layout.flat else folder / name)
            layout.categories += [one for one in inside if one not in layout.categories]
    return layout


def from_json(read: Any, folder: Path) -> Layout:
    """Check what project.json says."""
    whole = Layout()
    try:
        for name in vars(whole):
            value = read.get(name, getattr(whole, name))
            if not isinstance(value, type(getattr(whole, name))):
                raise TypeError(name)
            setattr(whole, name, value)
        names = [*whole.sets, *whole.categories, *whole.points]
        if whole.kind not in KINDS or any(
            not isinstance(n, str) or '/' in n or n[:1] in ('', '.') for n in names
        ):
            raise TypeError('names')
    except (AttributeError, TypeError) as error:
        raise UserError(
            f'{folder / FILE} is damaged; without it the studio reads what lies in the folder.'
        ) from error
    return whole


def guess(folder: Path) -> Layout | None:
    """Tell what a folder without a project.json is."""
    names = folders_in(folder)
    tables = [name for name in names if (folder / f'{name}.csv').is_file()]
    points = {name: columns_of(folder / f'{name}.csv') for name in tables}
    if any(points.values()):
        union = list(dict.fromkeys(p for found in points.values() for p in found))
        return Layout(POINTS, [name for name in tables if points[name]], [], union)
    if any(pictures_in(folder / name) for name in names):
        return Layout(CLASSIFICATION, [folder.name], names, flat=True)
    deep = [n for n in names if any(pictures_in(folder / n / m) for m in folders_in(folder / n))]
    return Layout(CLASSIFICATION, deep) if deep else None


def columns_of(table: Path) -> list[str]:
    """Give the points of which a CSV has columns."""
    try:
        with open(table, newline='', encoding='utf-8-sig') as text:
            return point_names(next(csv.reader(text), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
