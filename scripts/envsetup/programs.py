"""Programs of the machine that some tests need; those tests are skipped where one is missing."""

import os
import shutil
from typing import Callable, Optional

from envsetup import commands, machine
from envsetup.failures import SetupError
from envsetup.plan import Plan


def chromium(plan: Plan) -> None:
    """Provide the browser that the tests of the web page drive."""
    provide(plan, machine.chromium, 'chromium', 'the tests of the page are')


def espeak(plan: Plan) -> None:
    """Provide the voice that the tests of speech listen to."""
    provide(plan, lambda: shutil.which('espeak-ng'), 'espeak-ng', 'some tests of speech are')


def provide(plan: Plan, find: Callable[[], Optional[str]], package: str, skipped: str) -> None:
    """Install a package where that needs no question, and ask for it elsewhere."""
    if find():
        return
    if os.geteuid() == 0 and shutil.which('apt-get'):
        try:
            commands.run(plan, 'Updating the package lists', ['apt-get', 'update'])
            commands.run(plan, 'Installing ' + package, [
                'apt-get', 'install', '--yes', '--no-install-recommends', package],
                DEBIAN_FRONTEND='noninteractive')
        except SetupError:
            pass  # said below: these tests are skipped, all others run
    if not find():
        print('none, so {} skipped ("sudo apt install {}" has them run) ... '.format(
            skipped, package), end='', flush=True)
