"""A pip that was cut off leaves halves; a sourced ROS 2 brings some packages already."""

from dataclasses import replace
import sys

from envsetup import packages
from envsetup.plan import Plan
import pytest

PLAN = Plan('/p', sys.prefix, 'jazzy', True, '', (), 'system')


@pytest.fixture
def venv(tmp_path):
    """Return an environment's folder with one whole package, one half and one half removed."""
    folder = tmp_path / 'lib/python3.11/site-packages'
    for name in ('whole-1.dist-info', 'half-1.dist-info', '~umpy', 'half'):
        (folder / name).mkdir(parents=True)
    (folder / 'whole-1.dist-info' / 'RECORD').touch()
    return tmp_path


def test_halves_are_removed_and_the_rest_stays(venv):
    packages.remove_halves(replace(PLAN, venv=str(venv)))
    left = {path.name for path in venv.glob('lib/python3.11/site-packages/*')}
    assert left == {'whole-1.dist-info', 'half'}  # pip writes over files without a mark


def test_beside_a_sourced_ros_only_what_it_lacks_is_installed(tmp_path):
    wanted = tmp_path / 'runtime.txt'
    wanted.write_text('# a comment\nnumpy==1.0; python_version < "3.11"\nPyYAML==1.0  # settings\n'
                      'opencv-python-headless==1.0\nnot-to-be-found[extra]==2.0\n')
    assert packages.missing(PLAN, [str(wanted)]) == ['not-to-be-found[extra]==2.0']
