"""Names of projects, data sets and categories."""

from __future__ import annotations

from edge_vision.core.errors import UserError
import pytest
from training.studio.names import checked_name


@pytest.mark.parametrize('given, name', [
    ('thumb_up', 'thumb_up'), ('  two  words ', 'two words'), ('Daumen hoch-ä', 'Daumen hoch-ä'),
    ('大拇指', '大拇指'), ('7', '7'),
    ('हिन्दी', 'हिन्दी'), ('u\u0308ber', 'über'), ('x' * 40, 'x' * 40),
])
def test_names_that_would_do(given, name):
    assert checked_name(given, 'category') == name


@pytest.mark.parametrize('given, part', [
    ('a/b', "because of its '/'"), ('a\\b', "because of its '\\\\'"), ('.', "its '.'"),
    ('..', "its '.'"), ('.hidden', "its '.'"), ('a.b', "its '.'"), ('👍', "its '👍'"),
    ('\u2764\ufe0f', 'because of'), ('a\0b', r'U\+0000'), ('a:b', "its ':'"),
    ('x' * 300, 'has 300 letters'), ('指' * 41, 'has 41 letters'), ('', 'needs a name'),
    ('  ', 'needs a name'), (None, 'needs a name'), (7, 'needs a name'), ('-x', 'begins with'),
    ('THUMB_UP', 'already'), ('a\u202eb', r'U\+202E'),
])
def test_names_that_would_not(given, part):
    with pytest.raises(UserError, match=part) as told:
        checked_name(given, 'category', ['thumb_up'])
    assert len(str(told.value)) < 200
