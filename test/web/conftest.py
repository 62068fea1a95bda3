"""Fixtures for the tests of the page and its server."""

from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import claim_domain, Ears

claim_domain()


@pytest.fixture(scope='module')
def ears():
    """Give a node of the test that listens, speaks and calls services."""
    listener = Ears()
    yield listener
    listener.close()
