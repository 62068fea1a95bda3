"""The set-up from its first step to its last; what is stamped as done is passed over."""

import os
import time

from envsetup import commands, machine, stamps, steps, venv
from envsetup.plan import Plan


def bring_up_to_date(plan: Plan) -> None:
    """Do what is not done, under the lock; say nothing and take no lock where all is done."""
    if is_complete(plan):
        return
    with stamps.locked(plan.venv + '.lock'):
        if is_complete(plan):  # by the set-up that held the lock
            return
        with open(commands.log_path(plan), 'w', encoding='utf-8'):
            pass
        began = time.monotonic()
        if not venv.is_good(plan):
            make_venv(plan)
        for step in steps.steps(plan):
            if not done(plan, step):
                perform(plan, step)
        print('Set up in {:.0f} s'.format(time.monotonic() - began), flush=True)


def is_complete(plan: Plan) -> bool:
    """Tell whether nothing is to be done."""
    return venv.is_good(plan) and all(done(plan, step) for step in steps.steps(plan))


def done(plan: Plan, step: steps.Step) -> bool:
    """Tell whether a step was finished with the same inputs."""
    return stamps.read(venv.stamp_folder(plan), step.name) == step.fingerprint()


def make_venv(plan: Plan) -> None:
    """Find a Python and make the environment of it."""
    python = machine.find_python(plan)
    machine.check_tools(plan, python)
    print('Setting up {} with Python {}.{}, ROS 2 {} {}'.format(
        os.path.basename(plan.venv), *python.version, plan.distro.capitalize(),
        'of this machine' if plan.sourced else 'from wheels'), flush=True)
    with Timed('a virtual environment'):
        venv.make(plan, python)


def perform(plan: Plan, step: steps.Step) -> None:
    """Do one step and stamp it."""
    with Timed(step.title):
        step.action(plan)
    stamps.write(venv.stamp_folder(plan), step.name, step.fingerprint())


class Timed:
    """Print one line for a step: what it makes, then how long it took."""

    def __init__(self, title: str) -> None:
        self.title = title

    def __enter__(self) -> None:
        print('  {} ... '.format(self.title), end='', flush=True)
        self.began = time.monotonic()

    def __exit__(self, kind: object, *rest: object) -> None:
        print('stopped' if kind else '{:.0f} s'.format(time.monotonic() - self.began), flush=True)
