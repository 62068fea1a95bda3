"""The virtual environment itself, before anything is installed into it."""

import os
import subprocess

from envsetup import commands, stamps
from envsetup.machine import probe, Python
from envsetup.plan import Plan


def stamp_folder(plan: Plan) -> str:
    """Return where the stamps lie: in the environment, so that they go when it goes."""
    return plan.in_venv('.setup')


def identity(plan: Plan, python: str) -> str:
    """Return what an environment is made for: its place (scripts name it), ROS 2 and Python."""
    ros = os.environ['AMENT_PREFIX_PATH'] if plan.sourced else 'wheels'
    return '\n'.join((plan.venv, plan.distro, ros, python))


def is_good(plan: Plan) -> bool:
    """Tell whether the environment is there, is the one that is wanted, and still has a Python."""
    stamp = stamps.read(stamp_folder(plan), 'venv')
    python = stamp.rpartition('\n')[2]
    if stamp != identity(plan, python) or not os.path.exists(plan.in_venv('bin/python')):
        return False
    if not plan.python:
        return True
    wanted, present = probe(plan.python), probe(plan.in_venv('bin/python'))
    return wanted is not None and present is not None and wanted.version == present.version


def make(plan: Plan, python: Python) -> None:
    """Make the environment; what lies there is kept only if it is whole and of the same kind."""
    unfinished = plan.venv + '.unfinished'
    if os.path.exists(unfinished) or not is_usable(plan, python):
        with open(unfinished, 'w', encoding='ascii'):
            pass
        options = ['--system-site-packages'] if plan.sourced else []
        commands.run(plan, 'Making the virtual environment',
                     [python.path, '-m', 'venv', '--clear', *options, plan.venv])
        os.remove(unfinished)
    stamps.write(stamp_folder(plan), 'venv', identity(plan, python.name))


def is_usable(plan: Plan, python: Python) -> bool:
    """Tell whether an environment without a stamp, made by hand perhaps, will do."""
    if plan.sourced or os.path.exists(os.path.join(stamp_folder(plan), 'venv')):
        return False
    present = probe(plan.in_venv('bin/python'))
    if present is None or present.version != python.version:
        return False
    return not subprocess.run(
        [present.path, '-m', 'pip', '--version'], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode
