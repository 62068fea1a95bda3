"""The installed commands, in the second in which they import what they need."""

from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

BIN = Path(sys.executable).parent
PATIENCE_S = 20.0


def catches(pid, number):
    """Tell whether a process has a handler for a signal (proc(5), SigCgt)."""
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('SigCgt:'):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('name', ['camera_node', 'nano'])
def test_a_signal_while_the_node_is_imported_ends_it_in_silence(name, number):
    program = subprocess.Popen([BIN / name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end_s = time.monotonic() + PATIENCE_S
    # Python itself never catches SIGTERM, so whoever catches it is the program
    while not catches(program.pid, signal.SIGTERM) and time.monotonic() < end_s:
        time.sleep(0.002)
    program.send_signal(number)
    said, _ = program.communicate(timeout=PATIENCE_S)
    assert (program.returncode, said) == (0, b'')
