"""
Write docs/parameters.md from the dataclasses in which the nodes declare their parameters.

    .venv/bin/python scripts/parameters_page.py
"""

from dataclasses import fields
from pathlib import Path

from edge_vision.nodes.nano import PARAMETERS
from edge_vision.nodes.parameters import to_ros

PAGE = Path(__file__).resolve().parent.parent / 'docs' / 'parameters.md'
KINDS = {bool: 'bool', int: 'int', float: 'double', str: 'string', tuple: 'string[]'}
HEAD = """# Parameters

Written by `scripts/parameters_page.py` from the code. *Live* ones can be changed while the node
runs (`ros2 param set`); the others are read once, at the start. A wrong name, type or value ends
the start with one sentence that names the parameter.
"""


def row_of(parameter) -> str:
    """Give a parameter's line of the table."""
    default, spec = parameter.default, parameter.metadata['spec']
    limits = '' if spec.low is None else f'{spec.low:g} to {spec.high:g}'
    live = 'live' if spec.live else ''
    return (f'| `{parameter.name}` | {KINDS[type(default)]} | `{to_ros(default)!r}` | {limits} | '
            f'{live} | {spec.description} |')


def page() -> str:
    """Give the whole page."""
    lines = [HEAD]
    for node, kind in PARAMETERS.items():
        lines += [f'## {node}', '', '| name | type | default | range | | what it does |',
                  '| --- | --- | --- | --- | --- | --- |', *map(row_of, fields(kind)), '']
    return '\n'.join(lines)


if __name__ == '__main__':
    PAGE.write_text(page())
    print(f'written to docs/{PAGE.name}')
