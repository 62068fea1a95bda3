"""The project itself: editable, and known to ROS 2 by its place in the environment."""

import configparser
import glob
import os
from typing import List, Tuple

from envsetup import packages
from envsetup.machine import site_packages
from envsetup.plan import Plan

NAME = 'edge_vision'
SHARED = ('launch', 'config')
# Whatever the environment's Python starts finds the packages in it, without a sourced file.
PATH_LINE = "import os, sys; os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)\n"


def inputs(plan: Plan) -> List[str]:
    """Return the files that decide what is installed; the code itself is used where it lies."""
    return [plan.path(name) for name in ('setup.py', 'setup.cfg', 'package.xml')]


def names(plan: Plan) -> Tuple[str, ...]:
    """Return the shared files by name: a new one needs a link, a changed one does not."""
    return tuple(sorted(
        os.path.join(folder, name) for folder in SHARED for name in files(plan.path(folder))))


def files(folder: str) -> List[str]:
    """Return the names of the files in a folder."""
    return [os.path.basename(path) for path in glob.glob(folder + '/*') if os.path.isfile(path)]


def install(plan: Plan) -> None:
    """Make the executables in bin/, and the places where `ros2 run` and `ros2 launch` look."""
    packages.remove_halves(plan)
    packages.pip(plan, NAME, 'install', '--no-deps', '--no-build-isolation', '--editable', '.')
    for executable in executables(plan):
        link(plan.in_venv('bin', executable), plan.in_venv('lib', NAME, executable))
    share = plan.in_venv('share', NAME)
    link(plan.path('resource', NAME),
         plan.in_venv('share/ament_index/resource_index/packages', NAME))
    link(plan.path('package.xml'), os.path.join(share, 'package.xml'))
    # File by file: pip removes what it finds under the names that it once installed, and through
    # a linked folder that would be the files of the repository.
    for name in names(plan):
        link(plan.path(name), os.path.join(share, name))
    if not plan.sourced:
        with open(os.path.join(site_packages(plan.venv), NAME + '_prefix.pth'), 'w',
                  encoding='ascii') as file:
            file.write(PATH_LINE)


def executables(plan: Plan) -> List[str]:
    """Return the names of the commands that setup.py declares."""
    found = configparser.ConfigParser()
    found.read(glob.glob(os.path.join(
        site_packages(plan.venv), NAME + '-*.dist-info', 'entry_points.txt')))
    return list(found['console_scripts'])


def link(target: str, path: str) -> None:
    """Point a path at a file, whatever was there before."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.remove(path)
    os.symlink(target, path)
