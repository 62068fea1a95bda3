"""A project: a folder of pictures with labels, and every way to change it."""

from __future__ import annotations

import os
from pathlib import Path
import re
import threading
import time

from edge_vision.core.errors import UserError
from training.studio.files import sweep, sweep_uploads, told_in_a_sentence, write_whole
from training.studio.images import checked_picture, SUFFIXES
from training.studio.journal import Journal, Step
from training.studio.layout import (
    CLASSIFICATION,
    folders_in,
    KINDS,
    Layout,
    OWN,
    pictures_in,
    POINTS,
    read_layout,
)
from training.studio.names import checked_name
from training.studio.table import checked_points, Points, Table

GONE = 'That picture is not there any more: somebody has moved or deleted it.'


class Project:
    """
    The files are the truth: they are read anew each time, and whoever adds some by hand may.

    Each method takes the lock, does all or nothing, and counts `version` up. `client` names the
    browser that asks, as each undoes only its own changes.
    """

    def __init__(self, folder: Path, sweeping: bool = True):
        """
        Open a folder that is a project; UserError where it is none.

        sweeping: remove what a kill left; not while another process may be writing.
        """
        layout = read_layout(folder)
        if layout is None:
            raise UserError(f'{folder} is no project: it has neither class folders nor a table.')
        self.folder, self.name, self.layout = folder, folder.name, layout
        self.lock = threading.RLock()
        self.version = time.time_ns() // 1_000_000
        self.journal = Journal(self.own)
        if sweeping:
            sweep_uploads(self.own)
        for place in (folder, self.own, *(self.place_of(name) for name in layout.sets)):
            if sweeping and os.access(place, os.W_OK):
                sweep(place)
                for name in folders_in(place):
                    sweep(place / name)

    @property
    def own(self) -> Path:
        """Folder of runs, features and trash."""
        return self.folder / OWN

    @property
    def kind(self) -> str:
        """Either classification or points."""
        return self.layout.kind

    @classmethod
    def create(cls, folder: Path, kind: object, points: object = ()) -> Project:
        """Make a new project with one empty data set A."""
        if kind not in KINDS:
            raise UserError(f"A project is of the kind {' or '.join(KINDS)}, not '{kind}'.")
        names: list[str] = []
        if kind == POINTS:
            for one in points if isinstance(points, (list, tuple)) else []:
                names.append(checked_name(one, 'point', names))
            if not names:
                raise UserError('A project of points needs at least one: fingertip, for instance.')
        with told_in_a_sentence(f"the project '{folder.name}'"):
            folder.mkdir(parents=True)
            (folder / 'A').mkdir()
        Layout(str(kind), ['A'], [], names).write(folder)
        return cls(folder)

    # ---- reading

    def refresh(self) -> None:
        """See what others have added to the folder or taken out of it."""
        with self.lock:
            fresh = read_layout(self.folder)
            if fresh is not None:
                self.layout = fresh

    def place_of(self, name: str) -> Path:
        """Folder of a data set; UserError where there is none."""
        if name not in self.layout.sets:
            raise UserError(
                f"There is no data set '{name}'; {', '.join(self.layout.sets)} would do."
            )
        return self.folder if self.layout.flat else self.folder / name

    def table(self, name: str) -> Table:
        """Labels of a data set of points."""
        self.place_of(name)
        return Table(self.folder / f'{name}.csv', self.layout.points)

    def counts(self) -> dict[str, dict[str, int]]:
        """Count the pictures of each category by data set; of points: labelled, and to label."""
        with self.lock:
            if self.kind == CLASSIFICATION:
                return {
                    name: {
                        one: len(pictures_in(self.place_of(name) / one))
                        for one in self.layout.categories
                    }
                    for name in self.layout.sets
                }
            found = {}
            for name in self.layout.sets:
                files, table = pictures_in(self.place_of(name)), self.table(name)
                labelled = sum(bool(table.points(file)) for file in files)
                found[name] = {'labelled': labelled, 'to label': len(files) - labelled}
            return found

    def pictures(self, name: str) -> list[dict]:
        """List a data set: `file` within its folder, and `label` or `points`."""
        with self.lock:
            place = self.place_of(name)
            if self.kind == CLASSIFICATION:
                return [
                    {'file': f'{one}/{file}', 'label': one}
                    for one in self.layout.categories
                    for file in pictures_in(place / one)
                ]
            table = self.table(name)
            return [{'file': file, 'points': table.points(file)} for file in pictures_in(place)]

    def path_of(self, name: str, file: object) -> Path:
        """Path of a picture; UserError where it is not one of this data set."""
        parts = file.split('/') if isinstance(file, str) else []
        depth = 2 if self.kind == CLASSIFICATION else 1
        if (
            len(parts) != depth
            or any(p[:1] in ('', '.') or '\\' in p or '\0' in p for p in parts)
            or os.path.splitext(parts[-1])[1].lower() not in SUFFIXES
        ):
            raise UserError(GONE)
        path = self.place_of(name).joinpath(*parts)
        try:
            there = path.is_file()
        except OSError:  # such as a name too long
            there = False
        if not there:
            raise UserError(GONE)
        return path

    # ---- pictures

    def add(self, name: str, label: object, data: bytes, client: str, group: str = '') -> str:
        """
        Keep a picture as JPEG or PNG bytes; gives its `file`.

        label: a category; for points (x, y) by name, or None to label it later. group: pictures
        of one burst have the same, so that training and checking never share one.
        """
        try:
            ending = checked_picture(data)
        except ValueError as error:
            raise UserError(f'The picture {error}.') from None
        with self.lock:
            place = self.place_of(name)
            points: Points = {}
            if self.kind == CLASSIFICATION:
                place = place / self._category(label)
            elif label is not None:
                points = checked_points(label, self.layout.points)
            with told_in_a_sentence('the picture'):
                place.mkdir(parents=True, exist_ok=True)
            path = next_in(place, group, ending)
            file = self._within(name, path)
            steps: list[Step] = [['add', name, file]]
            if points:
                steps.append(['rows', name, {file: None}])
            self.remember(client, 'picture', steps)
            write_whole(path, data, 'the picture')
            if points:
                self._set_row(name, file, points)
            self.version += 1
            return file

    def delete(self, name: str, files: list, client: str) -> None:
        """Throw pictures away; they stay in the trash as long as it can be undone."""
        with self.lock:
            paths = [self.path_of(name, file) for file in files]
            number = self.journal.new_id()
            trash = self.journal.trash(number)
            steps: list[Step] = []
            if self.kind == POINTS:
                table = self.table(name)
                steps.append(['rows', name, {p.name: table.rows.get(p.name) for p in paths}])
            moves = [(path, trash / f'{i}-{path.name}'[-200:]) for i, path in enumerate(paths)]
            steps += [['move', self._relative(a), self._relative(b)] for a, b in moves]
            with told_in_a_sentence('the change'):
                trash.mkdir(parents=True, exist_ok=True)
            self.remember(client, plural(len(paths), 'deletion'), steps, number)
            if self.kind == POINTS:  # the row first: a row without its picture stops a training
                for path in paths:
                    table.rows.pop(path.name, None)
                table.write()
            self._do_moves(moves)
            self.version += 1

    def relabel(self, name: str, files: list, label: object, client: str) -> list[str]:
        """Move pictures to another category; gives their new `file`s."""
        with self.lock:
            if self.kind != CLASSIFICATION:
                raise UserError('A project of points has no categories.')
            target = self.place_of(name) / self._category(label)
            paths = [
                path
                for path in (self.path_of(name, file) for file in files)
                if path.parent != target
            ]
            if not paths:
                return []
            with told_in_a_sentence('the change'):
                target.mkdir(exist_ok=True)
            moves: list[tuple[Path, Path]] = []
            for path in paths:
                moves.append((path, free_path(target / path.name, {b for _, b in moves})))
            self.remember(
                client,
                plural(len(paths), 'relabelling'),
                [['move', self._relative(a), self._relative(b)] for a, b in moves],
            )
            self._do_moves(moves)
            self.version += 1
            return [self._within(name, b) for _, b in moves]

    def place(self, name: str, file: object, points: object, client: str) -> None:
        """Set where the points of a picture are."""
        with self.lock:
            if self.kind != POINTS:
                raise UserError('A project of categories has no points.')
            path = self.path_of(name, file)
            checked = checked_points(points, self.layout.points)
            row = self.table(name).rows.get(path.name)
            self.remember(client, 'point', [['rows', name, {path.name: row}]])
            self._set_row(name, path.name, checked)
            self.version += 1

    # ---- data sets and categories

    def add_set(self, name: object, client: str) -> str:
        """Make a data set."""
        with self.lock:
            if self.layout.flat:
                raise UserError(
                    'This folder is one data set of its own; a new project into which it is'
                    ' imported can have several.'
                )
            name = checked_name(name, 'data set', self.layout.sets)
            self.remember(client, f'data set {name}', [['+', 'sets', name]])
            with told_in_a_sentence('the data set'):
                (self.folder / name).mkdir(exist_ok=True)
            self.layout.sets.append(name)
            self._keep_layout()
            return name

    def add_category(self, name: object, client: str) -> str:
        """Make a category."""
        with self.lock:
            if self.kind != CLASSIFICATION:
                raise UserError('A project of points has no categories.')
            name = checked_name(name, 'category', self.layout.categories)
            self.remember(client, f'category {name}', [['+', 'categories', name]])
            self.layout.categories.append(name)
            self._keep_layout()
            return name

    def rename_category(self, old: object, new: object, client: str) -> str:
        """Give a category another name in all data sets."""
        with self.lock:
            old = self._category(old)
            others = [one for one in self.layout.categories if one != old]
            new = checked_name(new, 'category', others)
            moves = [
                (place / old, place / new)
                for place in self._places()
                if (place / old).is_dir() and old != new
            ]
            self.remember(
                client,
                f'renaming of {old}',
                [
                    ['=', 'categories', old, new],
                    *(['move', self._relative(a), self._relative(b)] for a, b in moves),
                ],
            )
            self._do_moves(moves)
            self.layout.categories[self.layout.categories.index(old)] = new
            self._keep_layout()
            return new

    def drop_category(self, name: object, client: str) -> None:
        """Throw a category away with its pictures."""
        with self.lock:
            name = self._category(name)
            self._drop('categories', name, [p / name for p in self._places()], client)

    def drop_set(self, name: str, client: str) -> None:
        """Throw a data set away with its pictures."""
        with self.lock:
            place = self.place_of(name)
            if len(self.layout.sets) == 1:
                raise UserError(f"'{name}' is the only data set; a project needs one.")
            self._drop('sets', name, [place, self.folder / f'{name}.csv'], client)

    def _drop(self, field: str, name: str, paths: list[Path], client: str) -> None:
        number = self.journal.new_id()
        trash = self.journal.trash(number)
        moves = [
            (path, trash / f'{i}-{path.name}'[-200:])
            for i, path in enumerate(paths)
            if path.exists()
        ]
        index = getattr(self.layout, field).index(name)
        steps: list[Step] = [['move', self._relative(a), self._relative(b)] for a, b in moves]
        with told_in_a_sentence('the change'):
            trash.mkdir(parents=True, exist_ok=True)
        self.remember(client, f'deletion of {name}', [['-', field, name, index], *steps], number)
        self._do_moves(moves)
        getattr(self.layout, field).remove(name)
        self._keep_layout()

    # ---- undoing

    def undo(self, client: str) -> str:
        """Take back the last change of this browser; gives what it was."""
        with self.lock:
            entry = self.journal.newest_of(client)
            if entry is None:
                raise UserError('There is nothing to undo.')
            with told_in_a_sentence('the change'):
                for step in reversed(entry['steps']):
                    self._undo_step(step, self.journal.trash(entry['id']))
            self._tidy()
            self.journal.forget(entry)
            self._keep_layout()
            return str(entry['what'])

    def _undo_step(self, step: Step, trash: Path) -> None:
        """Undo one step; one that somebody else has changed since has nothing to undo."""
        kind, *rest = step
        if kind == 'move':
            source, target = (self.folder / part for part in rest)
            if target.exists() and not source.exists():
                source.parent.mkdir(parents=True, exist_ok=True)
                os.rename(target, source)
        elif kind == 'add':
            path = self._place_if_there(rest[0]) / rest[1]
            if path.is_file():
                trash.mkdir(parents=True, exist_ok=True)
                os.rename(path, trash / path.name)
        elif kind == 'rows' and rest[0] in self.layout.sets:
            table = self.table(rest[0])
            for file, row in rest[1].items():
                table.rows.pop(file, None)
                if row is not None:
                    table.rows[file] = row
            table.write()
        elif kind in ('+', '-', '='):
            names = getattr(self.layout, rest[0])
            if kind == '+' and rest[1] in names and not (rest[0] == 'sets' and len(names) == 1):
                names.remove(rest[1])
                if rest[0] == 'sets' and folder_empty(self.folder / rest[1]):
                    (self.folder / rest[1]).rmdir()
            elif kind == '-' and rest[1] not in names:
                names.insert(rest[2], rest[1])
            elif kind == '=' and rest[2] in names:
                names[names.index(rest[2])] = rest[1]

    # ---- small parts

    def _category(self, name: object) -> str:
        if not isinstance(name, str) or name not in self.layout.categories:
            there = ', '.join(self.layout.categories) or 'none yet'
            raise UserError(f"There is no category '{name}' ({there}).")
        return name

    def _places(self) -> list[Path]:
        return [self.place_of(name) for name in self.layout.sets]

    def _place_if_there(self, name: str) -> Path:
        return self.folder if self.layout.flat else self.folder / name

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.folder))

    def _within(self, name: str, path: Path) -> str:
        return path.relative_to(self.place_of(name)).as_posix()

    def _set_row(self, name: str, file: str, points: Points) -> None:
        table = self.table(name)
        table.put(file, points)
        table.write()

    def _do_moves(self, moves: list[tuple[Path, Path]]) -> None:
        with told_in_a_sentence('the change'):
            for source, target in moves:
                os.rename(source, target)
        self._tidy()

    def _tidy(self) -> None:
        """Remove class folders without a picture, which would stop a training."""
        for place in self._places() if self.kind == CLASSIFICATION else []:
            for name in self.layout.categories:
                if folder_empty(place / name):
                    (place / name).rmdir()

    def remember(self, client: str, what: str, steps: list[Step], number: int = 0) -> None:
        with told_in_a_sentence('the change'):
            self.own.mkdir(exist_ok=True)
        self.journal.add(number or self.journal.new_id(), client, what, steps)

    def _keep_layout(self) -> None:
        self.layout.write(self.folder)
        self.version += 1


def folder_empty(folder: Path) -> bool:
    """Tell whether a folder exists and holds nothing."""
    return folder.is_dir() and not any(folder.iterdir())


def plural(count: int, word: str) -> str:
    """Give '3 deletions'."""
    return word if count == 1 else f'{count} {word}s'


def next_in(folder: Path, group: str, ending: str) -> Path:
    """
    Name a picture by its burst and its number in it: 20261122-093000-123_004.jpg.

    training.gesture.split keeps those with the same name before the number together.
    """
    if not re.fullmatch(r'[0-9-]{8,30}', group):
        now_ns = time.time_ns()
        moment = time.strftime('%Y%m%d-%H%M%S', time.localtime(now_ns / 1e9))
        group = f'{moment}-{now_ns // 1_000_000 % 1000:03d}'
    number = 1
    while any((folder / f'{group}_{number:03d}{e}').exists() for e in ('.jpg', '.png')):
        number += 1
    return folder / f'{group}_{number:03d}{ending}'


def free_path(path: Path, taken: set[Path] = frozenset()) -> Path:  # type: ignore[assignment]
    """Give the path, or one with a number in its name where there is such a file already."""
    number, free = 2, path
    while free in taken or free.exists():
        free = path.with_name(f'{path.stem}-{number}{path.suffix}')
        number += 1
    return free
