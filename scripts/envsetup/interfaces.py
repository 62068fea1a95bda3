"""vision_msgs: the machine's own where a ROS 2 is sourced, built from ../interfaces otherwise."""

import glob
import os
import shutil

from envsetup import commands, machine, packages
from envsetup.failures import SetupError
from envsetup.plan import Plan


def inputs(plan: Plan) -> list:
    """Return the files that the messages are built from."""
    folder = plan.path('interfaces/vision_msgs')
    return glob.glob(folder + '/msg/*.msg') + [folder + '/CMakeLists.txt', folder + '/package.xml']


def provide(plan: Plan) -> None:
    """See to it that vision_msgs can be imported."""
    if not plan.sourced:
        build(plan)
    elif not packages.importable(plan, 'vision_msgs.msg'):
        # a second vision_msgs would hide the real one as soon as that is installed
        raise SetupError('The sourced ROS 2 has no vision_msgs: install it with "sudo apt install '
                         'ros-{}-vision-msgs".'.format(plan.distro))


def build(plan: Plan) -> None:
    """
    Build the messages into the environment, where the wheels' own messages lie.

    The wheels' start-up code puts that lib/ on LD_LIBRARY_PATH, so nothing else is needed for
    Python to find the libraries.
    """
    folder = plan.in_venv('.setup/vision_msgs')
    shutil.rmtree(folder, ignore_errors=True)
    if not machine.compilers():
        raise SetupError('There is no C++ compiler to build vision_msgs with: install it with '
                         '"sudo apt install build-essential".')
    cmake = machine.cmake() or cmake_from_wheel(plan)
    generator = 'Ninja' if shutil.which('ninja') else 'Unix Makefiles'
    variables = {
        'PATH': plan.in_venv('bin') + os.pathsep + os.environ.get('PATH', os.defpath),
        'AMENT_PREFIX_PATH': plan.venv, 'CMAKE_PREFIX_PATH': plan.venv}
    for command in (
            [cmake, '-G', generator, '-S', plan.path('interfaces/vision_msgs'), '-B', folder,
             '-DCMAKE_BUILD_TYPE=Release', '-DBUILD_TESTING=OFF', '-Wno-dev',
             '-DPython3_EXECUTABLE=' + plan.in_venv('bin/python'),
             '-DCMAKE_INSTALL_PREFIX=' + plan.venv],
            [cmake, '--build', folder, '--parallel', str(min(os.cpu_count() or 1, 4))],
            [cmake, '--install', folder]):
        commands.run(plan, 'Building vision_msgs', command, **variables)
    shutil.rmtree(folder)


def cmake_from_wheel(plan: Plan) -> str:
    """Install cmake into the environment and return its path."""
    packages.install(plan, 'cmake', [plan.path('requirements/cmake.txt')])
    return plan.in_venv('bin/cmake')
