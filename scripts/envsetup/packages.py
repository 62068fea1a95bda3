"""Packages from the Python registry."""

import glob
import os
import re
import shutil
import subprocess
from typing import List, Sequence

from envsetup import commands
from envsetup.machine import site_packages
from envsetup.plan import Plan

# The name to import, where it is not the package's own. Where a ROS 2 of the machine is used,
# a module that the machine has is left to the machine: a Jetson's OpenCV knows its cameras and
# its ONNX Runtime the GPU, and the messages of a ROS 2 are compiled for the numpy beside it.
MODULES = {'opencv-python-headless': 'cv2', 'pyyaml': 'yaml', 'pillow': 'PIL'}


def install(plan: Plan, what: str, files: Sequence[str]) -> None:
    """Install requirement files; beside a ROS 2 of the machine, what they name and it lacks."""
    if not plan.sourced:
        install_all(plan, what, files)
        return
    names = missing(plan, files)
    if names:
        remove_halves(plan)
        pip(plan, what, 'install', '-c', constraints(plan), *names)


def install_all(plan: Plan, what: str, files: Sequence[str]) -> None:
    """Install requirement files, held by the constraints."""
    remove_halves(plan)
    words = [word for path in files for word in ('-r', path)]
    pip(plan, what, 'install', '-c', constraints(plan), *words)


def install_onnxruntime(plan: Plan) -> None:
    """Install ONNX Runtime for the CPU or for the GPU: one of the two, they share their files."""
    if plan.onnxruntime == 'system' and importable(plan, 'onnxruntime'):
        return
    variant = 'gpu' if plan.onnxruntime == 'gpu' else 'cpu'
    other = 'onnxruntime' if variant == 'gpu' else 'onnxruntime-gpu'
    remove_halves(plan)
    pip(plan, 'ONNX Runtime', 'uninstall', '--yes', other)
    path = plan.path('requirements/onnxruntime-{}.txt'.format(variant))
    pip(plan, 'ONNX Runtime', 'install', '-c', constraints(plan), '-r', path)


def pip(plan: Plan, what: str, *arguments: str) -> None:
    """Run the environment's pip."""
    commands.run(plan, 'Installing ' + what, [
        plan.in_venv('bin/python'), '-m', 'pip', '--no-input', '--disable-pip-version-check',
        '--retries', '2', *arguments])


def remove_halves(plan: Plan) -> None:
    """
    Remove the marks of packages whose installation was cut off, so that pip installs them again.

    pip writes RECORD last. A package without it looks installed to pip, and may lack files.
    """
    folder = site_packages(plan.venv)
    for mark in glob.glob(os.path.join(folder, '*.dist-info')):
        if not os.path.exists(os.path.join(mark, 'RECORD')):
            shutil.rmtree(mark)
    for remains in glob.glob(os.path.join(folder, '~*')):
        shutil.rmtree(remains)


def missing(plan: Plan, files: Sequence[str]) -> List[str]:
    """Return the requirements that the machine does not bring already."""
    wanted = []
    for path in files:
        with open(path, encoding='utf-8') as file:
            lines = [line.partition('#')[0].strip() for line in file]
        for line in filter(None, lines):
            name = re.split(r'[\[=<>~!; ]', line)[0].lower()
            if not importable(plan, MODULES.get(name, name.replace('-', '_'))):
                wanted.append(line)
    return wanted


def importable(plan: Plan, module: str) -> bool:
    """Tell whether the environment can import a module."""
    return not subprocess.run(
        [plan.in_venv('bin/python'), '-c', 'import ' + module], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=commands.environment(plan, os.environ)).returncode


def constraints(plan: Plan) -> str:
    """Return the file of versions that nothing may leave."""
    return plan.path('requirements/constraints.txt')
