"""Stamps change with what a step is made from; the lock outlives a killed set-up's commands."""

from pathlib import Path
import subprocess
import sys
import time

from envsetup import stamps
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / 'scripts'


@pytest.fixture
def requirements(tmp_path):
    path = tmp_path / 'runtime.txt'
    path.write_text('numpy==2.0\n')
    return path


def test_the_same_inputs_give_the_same_stamp(requirements):
    assert stamps.fingerprint(['cpu'], [requirements]) == stamps.fingerprint(
        ['cpu'], [requirements])


def test_a_changed_file_or_word_gives_another_stamp(requirements):
    before = stamps.fingerprint(['cpu'], [requirements])
    assert stamps.fingerprint(['gpu'], [requirements]) != before
    requirements.write_text('numpy==2.1\n')
    assert stamps.fingerprint(['cpu'], [requirements]) != before


def test_a_stamp_reads_as_it_was_written(tmp_path):
    folder = str(tmp_path / 'new' / 'folder')
    assert stamps.read(folder, 'ros') == ''
    stamps.write(folder, 'ros', 'one')
    stamps.write(folder, 'ros', 'two')
    assert stamps.read(folder, 'ros') == 'two'


HOLDER = """
import subprocess, sys
from envsetup import stamps
with stamps.locked(sys.argv[1]):
    subprocess.Popen(['sleep', '1.5'], close_fds=False)
    print('held', flush=True)
    sys.stdin.read()
"""


def test_the_lock_is_held_by_what_a_killed_set_up_has_started(tmp_path):
    path = str(tmp_path / 'lock')
    holder = subprocess.Popen([sys.executable, '-c', HOLDER, path], cwd=SCRIPTS,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b'held\n'
    began = time.monotonic()
    holder.kill()
    holder.communicate()
    with stamps.locked(path):
        waited_s = time.monotonic() - began
    assert waited_s > 1.0
