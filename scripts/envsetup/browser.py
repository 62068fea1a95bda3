"""Chromium, which the tests of the web page drive; they are skipped where it is missing."""

import os
import shutil

from envsetup import commands, machine
from envsetup.failures import SetupError
from envsetup.plan import Plan


def provide(plan: Plan) -> None:
    """Install Chromium where that needs no question, and ask for it elsewhere."""
    if machine.chromium():
        return
    if os.geteuid() == 0 and shutil.which('apt-get'):
        try:
            commands.run(plan, 'Updating the package lists', ['apt-get', 'update'])
            commands.run(plan, 'Installing Chromium', [
                'apt-get', 'install', '--yes', '--no-install-recommends', 'chromium'],
                DEBIAN_FRONTEND='noninteractive')
        except SetupError:
            pass  # said below: the tests of the page are skipped, all others run
    if not machine.chromium():
        print('none, so the tests of the page are skipped ("sudo apt install chromium" has them '
              'run) ... ', end='', flush=True)
