"""Projects as ZIP files: out in one stream, in with every care."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import io
import os
from pathlib import Path, PurePosixPath
import shutil
import struct
import zipfile
import zlib

from edge_vision.core.errors import UserError
from training.studio.files import told_in_a_sentence, write_whole
from training.studio.images import checked_picture, MOST_BYTES
from training.studio.layout import CLASSIFICATION, columns_of, FILE, POINTS
from training.studio.names import checked_name, shorten
from training.studio.project import free_path, plural, Project
from training.studio.table import Table

MOST_ENTRIES = 50_000
MOST_TOTAL_BYTES = 4 * 2**30  # unpacked, as they are counted while unpacking
MOST_UPLOAD_BYTES = 2 * 2**30
MOST_DIRECTORY_BYTES = 16 * 2**20  # of the table of contents, which is read into memory
MOST_TABLE_BYTES = 32 * 2**20
CHUNK = 2**18
MOST_UNDONE = 5000  # pictures; a greater import is not remembered picture by picture
PICTURES = ('.jpg', '.jpeg', '.png')


@dataclass
class Imported:
    """What came in, and what did not, by name with the reason."""

    count: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, name: str, why: str) -> None:
        """Note a file that is left out."""
        self.refused.append(
            (shorten(''.join(c if c.isprintable() else '?' for c in name), 80), why)
        )


@dataclass(frozen=True)
class Entry:
    """A picture of a ZIP that was unpacked to `file`; set and label as its folders name them."""

    file: Path
    set_name: str
    label: str
    name: str


# ---- out


class Drain(io.RawIOBase):
    """Takes what zipfile writes, to be passed on in pieces."""

    def __init__(self) -> None:
        super().__init__()
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        """Give what was written since the last time."""
        data = bytes(self._data)
        self._data.clear()
        return data


def exported(project: Project) -> Iterator[bytes]:
    """Give a ZIP of the project in pieces: what train_gesture reads, and project.json."""
    drain = Drain()
    with project.lock:
        names = []
        for one in project.layout.sets:
            place = project.place_of(one)
            names += [place / row['file'] for row in project.pictures(one)]
            names += [project.folder / f'{one}.csv']
    top = project.folder.parent if project.layout.flat else project.folder
    with zipfile.ZipFile(drain, 'w', zipfile.ZIP_STORED) as archive:
        if (project.folder / FILE).is_file():
            archive.write(project.folder / FILE, FILE)
        for path in names:
            try:
                data = path.read_bytes()
            except OSError:
                continue  # deleted meanwhile, or a data set without labels
            archive.writestr(zipfile.ZipInfo(path.relative_to(top).as_posix()), data)
            yield drain.take()
    yield drain.take()


# ---- in


def check_directory(file: Path) -> None:
    """Refuse a table of contents that would fill the memory; zipfile reads it all at once."""
    size = file.stat().st_size
    with open(file, 'rb') as data:
        data.seek(max(0, size - 66_000))
        tail = data.read()
    at = tail.rfind(b'PK\x05\x06')
    if at < 0 or len(tail) < at + 22:
        raise UserError('This is no ZIP file, or a part of one only.')
    length = struct.unpack('<I', tail[at + 12 : at + 16])[0]
    if length > MOST_DIRECTORY_BYTES or tail[at - 20 : at - 16] == b'PK\x06\x07':
        raise UserError(f'This ZIP has more than {MOST_ENTRIES} files; make several of it.')


def parts_of(name: str) -> list[str] | None:
    """Give the folders and the file of a ZIP entry; None where it would climb out."""
    path = PurePosixPath(name.replace('\\', '/'))
    bad = (
        path.is_absolute() or '..' in path.parts or any(':' in p or '\0' in p for p in path.parts)
    )
    return None if bad or not path.parts else list(path.parts)


class Unpacked:
    """The pictures and tables of a ZIP in a folder of their own, until all is known of them."""

    def __init__(self, file: Path, folder: Path):
        """Unpack what are pictures; UserError for a ZIP that is none or that is too much."""
        self.entries: list[Entry] = []
        self.tables: dict[str, Path] = {}  # by the name of the data set
        self.report = Imported()
        self.has_project = False
        self._folder, self._total = folder, 0
        check_directory(file)
        try:
            with zipfile.ZipFile(file) as archive:
                infos = [one for one in archive.infolist() if not one.is_dir()]
                if len(infos) > MOST_ENTRIES:
                    raise UserError(
                        f'This ZIP has {len(infos)} files; {MOST_ENTRIES} are read at most.'
                    )
                for number, info in enumerate(infos):
                    self._take(archive, info, number)
        except (zipfile.BadZipFile, ValueError, OverflowError) as error:
            raise UserError(f'This is no ZIP file that can be read ({error}).') from error
        if not self.entries:
            raise UserError(
                'This ZIP has no picture that can be read'
                + (
                    f': {self.report.refused[0][0]} {self.report.refused[0][1]}.'
                    if self.report.refused
                    else '.'
                )
            )

    def _take(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, number: int) -> None:
        parts, refuse = parts_of(info.filename), self.report.refuse
        if parts is None:
            return refuse(info.filename, 'its path leads out of the ZIP')
        if parts[0] == '__MACOSX' or any(part.startswith('.') for part in parts):
            return None  # what file managers add
        ending = os.path.splitext(parts[-1])[1].lower()
        if parts[-1] == FILE:
            self.has_project = True
            return None
        if ending not in (*PICTURES, '.csv'):
            return refuse(info.filename, 'is neither a JPEG nor a PNG')
        most = MOST_TABLE_BYTES if ending == '.csv' else MOST_BYTES
        try:
            data = self._read(archive, info, most)
        except (
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
            NotImplementedError,
            EOFError,
        ) as error:
            return refuse(info.filename, f'cannot be unpacked ({shorten(str(error), 60)})')
        if data is None:
            return refuse(info.filename, f'has more than {most >> 20} MB unpacked')
        target = self._folder / f'{number}{ending}'
        if ending == '.csv':
            write_whole(target, data, 'the ZIP', durable=False)
            if not columns_of(target):
                return refuse(info.filename, 'is no table of points')
            self.tables[parts[-1][:-4]] = target
            return None
        try:
            ending = checked_picture(data)
        except ValueError as error:
            return refuse(info.filename, str(error))
        target = target.with_suffix(ending)
        write_whole(target, data, 'the ZIP', durable=False)
        above = ['', '', *parts[:-1]]
        self.entries.append(Entry(target, above[-2], above[-1], Path(parts[-1]).stem + ending))
        return None

    def _read(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes | None:
        data = bytearray()
        with archive.open(info) as packed:
            while chunk := packed.read(CHUNK):
                data += chunk
                self._total += len(chunk)
                if self._total > MOST_TOTAL_BYTES:
                    raise UserError(
                        f'This ZIP unpacks to more than {MOST_TOTAL_BYTES >> 30} GB; nothing of'
                        ' it was taken.'
                    )
                if len(data) > most:
                    return None
        return bytes(data)

    @property
    def kind(self) -> str:
        """Tell of which kind of project these are."""
        return POINTS if self.tables else CLASSIFICATION

    @property
    def points(self) -> list[str]:
        """All points that the tables know."""
        return list(dict.fromkeys(p for one in self.tables.values() for p in columns_of(one)))


@contextmanager
def unpacked(file: Path, folder: Path) -> Iterator[Unpacked]:
    """Unpack a ZIP into `folder`, which goes again at the end; UserError as of Unpacked."""
    shutil.rmtree(folder, ignore_errors=True)  # of an import that was killed
    try:
        with told_in_a_sentence('the ZIP'):
            folder.mkdir(parents=True)
        yield Unpacked(file, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take(project: Project, found: Unpacked, set_name: str, label: str, client: str) -> Imported:
    """
    Take what was unpacked into a project, with all labels that it has, as one change.

    set_name: the data set for what names none. label: the category for what lies in no folder.
    """
    with project.lock:
        project.place_of(set_name)
        if found.kind == POINTS and project.kind == CLASSIFICATION:
            raise UserError('This ZIP has points, and this project has categories.')
        taker = take_points if project.kind == POINTS else take_classes
        taker(project, found, set_name, label, client)
        project.version += 1
    return found.report


def set_of(project: Project, wanted: str, otherwise: str, client: str) -> str:
    """Give the data set with the name wanted, made where it can be, or the one to fall back on."""
    by_name = {one.casefold(): one for one in project.layout.sets}
    if wanted.casefold() in by_name:
        return by_name[wanted.casefold()]
    if not wanted or project.layout.flat:
        return otherwise
    try:
        return project.add_set(wanted, client)
    except UserError:
        return otherwise


def category_of(project: Project, wanted: str, client: str) -> str:
    """Give the category with the name wanted, made where it can be; UserError else."""
    by_name = {one.casefold(): one for one in project.layout.categories}
    if wanted.casefold() in by_name:
        return by_name[wanted.casefold()]
    return project.add_category(checked_name(wanted, 'category'), client)


def take_classes(
    project: Project, found: Unpacked, set_name: str, label: str, client: str
) -> None:
    """Put the pictures into the class folders that theirs are named after."""
    above = {entry.set_name for entry in found.entries}
    sets_named = found.has_project or len(above) > 1
    moves: list[tuple[Path, Path]] = []
    taken: set[Path] = set()
    for entry in found.entries:
        try:
            one = set_of(project, entry.set_name if sets_named else '', set_name, client)
            folder = project.place_of(one) / category_of(project, entry.label or label, client)
        except UserError as error:
            found.report.refuse(entry.name, f'has no category: {error}')
            continue
        moves.append((entry.file, free_path(folder / entry.name, taken)))
        taken.add(moves[-1][1])
    land(project, moves, [], client, found.report)


def take_points(project: Project, found: Unpacked, set_name: str, _: str, client: str) -> None:
    """Put the pictures into their data sets, with the rows that the tables have of them."""
    rows, moves = [], []
    taken: set[Path] = set()
    tables = {name: Table(file, project.layout.points) for name, file in found.tables.items()}
    for entry in found.entries:
        one = set_of(project, entry.label if entry.label in tables else '', set_name, client)
        target = free_path(project.place_of(one) / entry.name, taken)
        taken.add(target)
        moves.append((entry.file, target))
        known = tables[entry.label].points(entry.name) if entry.label in tables else {}
        fits = {
            n: p
            for n, p in known.items()
            if n in project.layout.points and 0 <= p[0] <= 1 and 0 <= p[1] <= 1
        }
        if fits:
            rows.append((one, target.name, fits))
    land(project, moves, rows, client, found.report)


def land(project: Project, moves: list, rows: list, client: str, report: Imported) -> None:
    """Move what was unpacked to its place; then write the labels."""
    steps: list = [
        ['add', one, target.relative_to(project.place_of(one)).as_posix()]
        for one in project.layout.sets
        for _, target in moves
        if target.is_relative_to(project.place_of(one))
    ]
    for one in {one for one, _, _ in rows}:
        steps.append(['rows', one, {name: None for owner, name, _ in rows if owner == one}])
    if len(moves) <= MOST_UNDONE:
        project.remember(client, f'import of {plural(len(moves), "picture")}', steps)
    with told_in_a_sentence('the ZIP'):
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(source, target)
        os.sync()
    for one in {one for one, _, _ in rows}:
        table = project.table(one)
        for owner, name, points in rows:
            if owner == one:
                table.put(name, points)
        table.write()
    report.count = len(moves)
