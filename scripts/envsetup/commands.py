"""Commands of a set-up: quiet, logged, and explained when they fail."""

import errno
import os
import shutil
import subprocess
import sys
from typing import Dict, Mapping, Sequence

from envsetup.failures import explain, SetupError
from envsetup.plan import Plan

# Variables that would make an environment's Python load what belongs to another one. The last is
# set by the ROS 2 wheels, which skip their own start-up where they find it.
FOREIGN = ('PYTHONHOME', 'PYTHONPATH', 'LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
FULL_BYTES = 16 << 20  # less than any step writes


def log_path(plan: Plan) -> str:
    """Return where the output of the commands goes."""
    return plan.venv + '.log'


def environment(plan: Plan, environ: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables for commands: a sourced ROS 2 keeps its own, nobody else does."""
    mine = dict(environ)
    if not plan.sourced:
        for name in FOREIGN + ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH'):
            mine.pop(name, None)
    return mine


def run(plan: Plan, doing: str, command: Sequence[str], **variables: str) -> None:
    """Run a command to its end; where it fails, raise one sentence."""
    with open(log_path(plan), 'a+', encoding='utf-8', errors='replace') as log:
        log.write('$ {}\n'.format(' '.join(command)))
        log.flush()
        start = log.tell()
        environ = dict(environment(plan, os.environ), **variables)
        # close_fds=False: the lock of the set-up goes with the command (see stamps.locked)
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=plan.root,
                              stdin=subprocess.DEVNULL, env=environ, close_fds=False).returncode
        if code:
            if shutil.disk_usage(plan.root).free < FULL_BYTES:  # the log may have found no room
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            log.seek(start)
            raise SetupError(explain(log.read(), doing, log_path(plan)))


def become(plan: Plan, command: Sequence[str]) -> None:
    """Let a command of the environment take this process's place."""
    environ = environment(plan, os.environ)
    environ['PATH'] = plan.in_venv('bin') + os.pathsep + environ.get('PATH', os.defpath)
    sys.stdout.flush()
    os.chdir(plan.root)
    os.execvpe(command[0], list(command), environ)
