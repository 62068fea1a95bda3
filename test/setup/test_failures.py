"""A failed command's log, and the sentence that a user gets for it."""

from envsetup.failures import explain
import pytest


@pytest.mark.parametrize(('log', 'sentence'), [
    pytest.param(
        'WARNING: Retrying (Retry(total=0)) after connection broken by NewConnectionError('
        '<HTTPSConnection>: Failed to establish a new connection: [Errno 101] Network is '
        'unreachable): /simple/aiohttp/\nERROR: Could not find a version that satisfies the '
        'requirement aiohttp==3 (from versions: none)\n'
        'ERROR: No matching distribution found for aiohttp==3',
        'The Python package index cannot be reached: check the network', id='no network'),
    pytest.param('ERROR: No matching distribution found for rclpy==7', 'has no rclpy==7 for this '
                 'Python', id='no wheel for this Python'),
    pytest.param('OSError: [Errno 28] No space left on device', 'The disk is full', id='disk'),
    pytest.param('msg.c:1:10: fatal error: Python.h: No such file or directory',
                 'install the package python3-dev', id='no headers of Python'),
    pytest.param('c++: fatal error: Killed signal terminated program cc1plus',
                 'ran out of memory', id='no memory for the compiler'),
    pytest.param('Traceback: something new', 'Installing it failed: the reason is at the end of '
                 '/p/.venv.log', id='anything else'),
])
def test_the_sentence_says_what_to_do(log, sentence):
    said = explain(log, 'Installing it', '/p/.venv.log')
    assert sentence in said
    assert '/p/.venv.log' in said and '\n' not in said
