"""Ctrl-C during `make run`: the command ends by itself, and make has nothing to complain about."""

import os
from pathlib import Path
import pty
import signal
import subprocess
import sys

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / 'scripts'
COMMAND = """
import signal, sys, time
def end(number, frame):
    print('ended by', number, flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print('started', flush=True)
time.sleep(60)
"""
RUNNER = """
import sys
from foreground import run_in_foreground
sys.exit(run_in_foreground([sys.executable, 'command.py']))
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a Makefile whose `run` starts a command the way ours does."""
    (tmp_path / 'command.py').write_text(COMMAND)
    (tmp_path / 'runner.py').write_text(RUNNER)
    (tmp_path / 'Makefile').write_text(
        f'run:\n\t@PYTHONPATH={SCRIPTS} exec {sys.executable} runner.py\n')
    return tmp_path


def read_until(descriptor, wanted):
    """Return what a terminal shows, up to the wanted word or to its end."""
    shown = b''
    while wanted not in shown:
        try:
            piece = os.read(descriptor, 1000)
        except OSError:  # Linux says so when the other side is closed
            break
        if not piece:
            break
        shown += piece
    return shown


def test_ctrl_c_on_a_terminal_ends_make_with_success(folder):
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvp('make', ['make', 'run'])
    assert b'started' in read_until(terminal, b'started')
    os.write(terminal, b'\x03')
    shown = read_until(terminal, b'never shown')
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    assert b'ended by 2' in shown and b'***' not in shown


def test_ending_make_on_a_terminal_ends_the_command(folder):
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvp('make', ['make', 'run'])
    read_until(terminal, b'started')
    os.kill(child, signal.SIGTERM)
    assert b'ended by 15' in read_until(terminal, b'ended by 15')
    os.waitpid(child, 0)


def test_without_a_terminal_an_interrupt_of_the_group_ends_the_command(folder):
    make = subprocess.Popen(['make', 'run'], cwd=folder, stdout=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, start_new_session=True)
    assert make.stdout.readline() == b'started\n'
    os.killpg(make.pid, signal.SIGINT)
    assert make.communicate(timeout=10)[0] == b'ended by 2\n'
