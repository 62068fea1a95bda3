"""What all tests may ask for."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# models that the user has deployed on this machine are not what the tests mean by a name
os.environ['EDGE_VISION_MODELS'] = str(REPOSITORY / 'test' / 'no_models')


@pytest.fixture(scope='session')
def shared():
    """Path of a file of the shared folder; skips, naming the file, where it is not."""
    folder = Path(os.environ.get('EDGE_VISION_SHARED') or REPOSITORY.parent / 'shared')

    def path_of(name: str) -> str:
        path = folder / name
        if not path.exists():
            pytest.skip(f'{name} is not here (EDGE_VISION_SHARED names the folder)')
        return str(path)
    return path_of
