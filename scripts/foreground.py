"""
Run a command so that Ctrl-C reaches it alone.

make answers Ctrl-C by printing an error and by failing, however well its command ends. On a
terminal the command therefore gets a process group of its own, and the terminal with it: it ends
cleanly, and make sees nothing but its exit code. Elsewhere the command takes this process's place.
"""

import os
import signal
import subprocess
import sys

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_foreground(command):
    """Return the exit code of the command; without a terminal, never return."""
    if not has_terminal():
        os.execvp(command[0], command)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # sent to whoever moves the terminal from behind
    child = subprocess.Popen(command, preexec_fn=take_terminal)
    for one in FORWARDED:
        signal.signal(one, lambda number, frame: child.send_signal(number))
    try:
        return child.wait()
    finally:
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


def has_terminal():
    """Tell whether this process's group is the one that the terminal's keys go to."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


def take_terminal():
    """In the child: leave the group of make, and be the one that Ctrl-C goes to."""
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
