"""What this machine has: the system, a Python that fits, a compiler, cmake."""

import glob
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from typing import List, NamedTuple, Optional

from envsetup.failures import SetupError
from envsetup.plan import Machine, Plan

OLDEST, NEWEST = (3, 10), (3, 14)  # CPython versions that the ROS 2 wheels are made for
CMAKE_OLDEST = (3, 20)  # what the rosidl generators ask for
PROBE = """
import json, os, sys, sysconfig
def has(module):
    try:
        __import__(module)
    except Exception:
        return False
    return True
print(json.dumps({
    'path': sys.executable, 'version': sys.version_info[:2], 'venv': has('ensurepip'),
    'rclpy': has('rclpy') if 'rclpy' in sys.argv else False,
    'headers': os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h'))}))
"""


class Python(NamedTuple):
    """An interpreter, and what comes with it."""

    path: str
    version: List[int]
    venv: bool
    rclpy: bool
    headers: bool

    @property
    def name(self) -> str:
        return 'python{}.{}'.format(*self.version)


def facts() -> Machine:
    """Return the facts that the plan asks for."""
    return Machine(platform.system(), platform.machine())


def probe(command: str, *modules: str) -> Optional[Python]:
    """Return what the interpreter says of itself; None where it does not run."""
    try:
        done = subprocess.run([command, '-c', PROBE, *modules], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60, check=True)
        return Python(**json.loads(done.stdout.decode()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def find_python(plan: Plan) -> Python:
    """Return the interpreter to make the environment with."""
    modules = ['rclpy'] if plan.sourced else []
    if plan.python:
        candidates = [plan.python]
    else:
        candidates = ['python3', sys.executable] + [
            'python3.{}'.format(minor) for minor in (12, 11, 13, 10, 14)]
    seen = [found for found in (probe(one, *modules) for one in candidates) if found]
    if not seen:
        raise SetupError('PYTHON={} does not run: name a Python 3.10 to 3.14.'.format(
            plan.python or 'python3'))
    fitting = [one for one in seen if OLDEST <= tuple(one.version) <= NEWEST]
    if not fitting:
        raise SetupError(
            'Python 3.10 to 3.14 is needed, and {} is {}.{}: install a newer one, or name it with '
            'PYTHON=.'.format(seen[0].path, *seen[0].version))
    if plan.sourced and not fitting[0].rclpy:
        raise SetupError(
            'ROS 2 {} is sourced, but {} cannot import its rclpy: name the Python of that ROS 2 '
            'with PYTHON=, or open a shell without it.'.format(plan.distro, fitting[0].path))
    return fitting[0]


def check_tools(plan: Plan, python: Python) -> None:
    """Raise one sentence that names everything that is missing from this machine."""
    missing = [] if python.venv else [python.name + '-venv']
    if not plan.sourced:
        missing += [] if python.headers else [python.name + '-dev']
        missing += [] if compilers() else ['build-essential']
    if missing:
        raise SetupError('This machine lacks what the set-up needs: install it with '
                         '"sudo apt install {}".'.format(' '.join(missing)))


def compilers() -> List[str]:
    """Return a C and a C++ compiler, or nothing."""
    found = [next(filter(None, (shutil.which(one) for one in names)), None) for names in (
        [os.environ.get('CC', 'cc'), 'gcc', 'clang'],
        [os.environ.get('CXX', 'c++'), 'g++', 'clang++'])]
    return [one for one in found if one] if all(found) else []


def cmake() -> Optional[str]:
    """Return a cmake that is new enough, if the machine has one."""
    path = shutil.which('cmake')
    if not path:
        return None
    done = subprocess.run([path, '--version'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    version = re.search(r'version (\d+)\.(\d+)', done.stdout.decode())
    return path if version and tuple(map(int, version.groups())) >= CMAKE_OLDEST else None


def chromium() -> Optional[str]:
    """Return the browser that the tests of the web page drive, if there is one."""
    return next(filter(None, map(shutil.which, ('chromium', 'chromium-browser'))), None)


def site_packages(venv: str) -> str:
    """Return the folder of an environment that Python imports from."""
    return glob.glob(os.path.join(venv, 'lib/python3.*/site-packages'))[0]
