"""`scripts/setup_env.py` on machines that lack something: one sentence, no traceback."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FAKE_PYTHON = """#!/bin/sh
echo '{{"path": "{path}", "version": {version}, "venv": {venv}, "rclpy": false, "headers": true}}'
"""


@pytest.fixture
def clone(tmp_path):
    """Return a copy of what the set-up reads."""
    copy = tmp_path / 'clone'
    for name in ('scripts', 'requirements', 'interfaces', 'launch', 'config', 'resource'):
        shutil.copytree(REPOSITORY / name, copy / name)
    for name in ('setup.py', 'setup.cfg', 'package.xml', 'pyproject.toml'):
        shutil.copy(REPOSITORY / name, copy)
    return copy


def set_up(clone, *arguments, **variables):
    """Run the set-up as a user's shell would; return what it complained of."""
    environ = {name: value for name, value in os.environ.items()
               if name not in ('ROS_DISTRO', 'AMENT_PREFIX_PATH', 'ONNXRUNTIME')}
    done = subprocess.run(
        [sys.executable, str(clone / 'scripts/setup_env.py'), *arguments], cwd=clone, text=True,
        env={**environ, **variables}, capture_output=True, timeout=100)
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert done.stderr.count('\n') == 1
    return done.stderr


def fake_python(folder, **said):
    """Return an interpreter that says these things of itself."""
    path = folder / 'python3'
    path.write_text(FAKE_PYTHON.format(path=path, **said))
    path.chmod(0o755)
    return str(path)


def test_a_python_that_is_too_old(clone, tmp_path):
    python = fake_python(tmp_path, version='[3, 9]', venv='true')
    assert 'Python 3.10 to 3.14 is needed, and' in set_up(clone, '--python', python)


def test_a_python_that_is_none(clone):
    assert 'PYTHON=/no/python does not run' in set_up(clone, '--python', '/no/python')


def test_a_debian_without_venv(clone, tmp_path):
    python = fake_python(tmp_path, version='[3, 11]', venv='false')
    assert '"sudo apt install python3.11-venv"' in set_up(clone, '--python', python)


def test_no_compiler(clone):
    assert '"sudo apt install build-essential"' in set_up(
        clone, '--python', sys.executable, PATH='/nowhere')


def test_a_distribution_without_wheels(clone):
    assert 'source /opt/ros/humble/setup.bash' in set_up(clone, ROS_DISTRO='humble')


def test_a_folder_that_cannot_be_written(clone):
    (clone / '.venv.lock').mkdir()
    assert 'Is a directory' in set_up(clone)


def test_no_network(clone):
    complaint = set_up(clone, '--python', sys.executable, PIP_CONFIG_FILE=os.devnull,
                       PIP_INDEX_URL='http://127.0.0.1:9/simple', PIP_EXTRA_INDEX_URL='',
                       PIP_FIND_LINKS='', PIP_NO_CACHE_DIR='1')
    assert 'The Python package index cannot be reached: check the network' in complaint
    assert str(clone / '.venv.log') in complaint
