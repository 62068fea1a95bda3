"""The CSV of a set of points; columns and rows that the studio does not know are kept."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from edge_vision.core.errors import UserError
from training.studio.files import write_whole

Points = dict[str, tuple[float, float]]  # by name; 0..1 of width and height


def point_names(columns: list[str]) -> list[str]:
    """Give the names that have both an _x and a _y column."""
    return [c[:-2] for c in columns if c.endswith('_x') and f'{c[:-2]}_y' in columns]


class Table:
    """Rows by file name."""

    def __init__(self, file: Path, names: list[str]):
        """Read `file`, or start an empty one with the columns of the points `names`."""
        self.file = file
        self.columns = ['file', *(f'{name}_{axis}' for name in names for axis in 'xy')]
        self.rows: dict[str, dict[str, str]] = {}
        if not file.is_file():
            return
        try:
            with open(file, newline='', encoding='utf-8-sig') as text:
                reader = csv.DictReader(text, restkey='', restval='')
                columns = [c for c in reader.fieldnames or [] if c]
                self.rows = {row['file']: row for row in reader}
        except (UnicodeDecodeError, csv.Error, KeyError) as error:
            raise UserError(
                f"{file} is no table of points: it has no column 'file'."
                if isinstance(error, KeyError)
                else f'{file} is no CSV file ({error}).'
            ) from error
        self.columns = columns + [c for c in self.columns if c not in columns]

    @property
    def names(self) -> list[str]:
        """The points that have columns."""
        return point_names(self.columns)

    def points(self, file: str) -> Points:
        """Give the points of a picture that are known."""
        found = {}
        for name in self.names if file in self.rows else ():
            row = self.rows[file]
            try:
                found[name] = (float(row[f'{name}_x']), float(row[f'{name}_y']))
            except (ValueError, KeyError, TypeError):
                continue  # not labelled
        return found

    def put(self, file: str, points: Points) -> None:
        """Set the points of a picture; those that are not named are emptied."""
        row = self.rows.setdefault(file, dict.fromkeys(self.columns, ''))
        row['file'] = file
        for name in self.names:
            x, y = points.get(name, ('', ''))
            row[f'{name}_x'] = f'{x:.5f}' if x != '' else ''
            row[f'{name}_y'] = f'{y:.5f}' if y != '' else ''

    def write(self) -> None:
        """Write it whole or not at all."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, extrasaction='ignore', lineterminator='\n')
        writer.writeheader()
        writer.writerows(self.rows.values())
        write_whole(self.file, text.getvalue().encode(), 'the new label')


def checked_points(given: object, names: list[str]) -> Points:
    """Give the points of a request as (x, y) by name; UserError where they cannot be."""
    if not isinstance(given, dict) or not given:
        raise UserError(f'No point was given; {", ".join(names)} would do.')
    points: Points = {}
    for name, value in given.items():
        if name not in names:
            raise UserError(f"There is no point '{name}' here; {', '.join(names)} would do.")
        try:
            x, y = (float(part) for part in value)
        except (TypeError, ValueError):
            raise UserError(f"The point '{name}' needs two numbers.") from None
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise UserError(f"The point '{name}' lies outside the picture.")
        points[name] = (x, y)
    return points
