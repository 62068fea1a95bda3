"""The package as ROS 2 sees it: what is declared is there, and what is there is declared."""

import ast
from importlib import metadata, util
import os
from pathlib import Path
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST = ElementTree.parse(REPOSITORY / 'package.xml').getroot()
INSTALLED = metadata.distribution('edge_vision')
PREFIX = Path(sys.prefix)
OLD = sorted(path for folder in ('edge_vision', 'launch')
             for path in (REPOSITORY / folder).rglob('*.py'))


def imported(tree):
    """Return the first word of every module that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition('.')[0]


@pytest.mark.parametrize('path', OLD, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_is_installed_reads_in_python_3_8_and_needs_no_torch(path):
    tree = ast.parse(path.read_text(encoding='utf-8'), feature_version=(3, 8))
    assert not {'torch', 'torchvision'} & set(imported(tree))


def test_the_version_is_the_same_everywhere():
    assert INSTALLED.version == MANIFEST.findtext('version')


def test_ament_linters_and_colcon_accept_the_manifest():
    package = pytest.importorskip('catkin_pkg.package')
    warnings = []
    parsed = package.parse_package(str(REPOSITORY / 'package.xml'), warnings=warnings)
    assert parsed.get_build_type() == 'ament_python' and not warnings


def test_every_executable_has_its_main_and_its_place_for_ros2_run():
    commands = [one for one in INSTALLED.entry_points if one.group == 'console_scripts']
    assert {'camera_node', 'detector_node', 'gesture_node', 'speech_node', 'overlay_node',
            'nano'} <= {one.name for one in commands}
    for one in commands:
        assert callable(one.load())
        assert os.access(PREFIX / 'lib/edge_vision' / one.name, os.X_OK)


def test_the_ament_index_of_the_environment_knows_the_package():
    assert (PREFIX / 'share/ament_index/resource_index/packages/edge_vision').exists()
    assert (PREFIX / 'share/edge_vision/package.xml').exists()


@pytest.mark.parametrize('folder', ['launch', 'config'])
def test_shared_files_are_found_through_the_environment(folder):
    here = {path.name for path in (REPOSITORY / folder).iterdir() if path.is_file()}
    there = PREFIX / 'share/edge_vision' / folder
    assert here and all((there / name).exists() for name in here)


def test_colcon_finds_the_project_alone_and_builds_it(tmp_path):
    colcon = shutil.which('colcon', path=f"{PREFIX / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if not colcon or not util.find_spec('colcon_ros'):
        pytest.skip('colcon is not installed')
    listed = subprocess.run([colcon, '--log-base', str(tmp_path), 'list'], cwd=REPOSITORY,
                            text=True, stdout=subprocess.PIPE, check=True)
    assert listed.stdout.split() == ['edge_vision', '.', '(ros.ament_python)']
    subprocess.run([colcon, '--log-base', str(tmp_path / 'log'), 'build', '--build-base',
                    str(tmp_path / 'build'), '--install-base', str(tmp_path / 'install')],
                   cwd=REPOSITORY, check=True)
    prefix = tmp_path / 'install/edge_vision'
    assert (prefix / 'lib/edge_vision/nano').exists()
    assert (prefix / 'share/edge_vision/launch/nano.launch.py').exists()
    assert (prefix / 'share/edge_vision/config/nano.yaml').exists()
    assert list(prefix.rglob('edge_vision/web/static/*')), 'the page is not installed'
    assert list(prefix.rglob('edge_vision/phrases/en.yaml')), 'the phrases are not installed'
    assert list(prefix.rglob('edge_vision/models/*.md')), 'the model cards are not installed'
