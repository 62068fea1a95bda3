"""The variables of `make run`, as ROS 2 reads them in the end."""

import json
from pathlib import Path
import subprocess
import sys

import pytest
from run import arguments

READER = """
import json, sys
import rclpy
rclpy.init(args=['nano'] + sys.argv[1:])
for name, parameter in (('camera', 'source'), ('detector', 'model'), ('overlay', 'port')):
    node = rclpy.create_node(name, automatically_declare_parameters_from_overrides=True)
    print(json.dumps(node.get_parameter_or(parameter).value))
    node.destroy_node()
rclpy.shutdown()
"""


@pytest.fixture
def params_file(tmp_path):
    path = tmp_path / 'nano.yaml'
    path.write_text('/**:\n  ros__parameters:\n    source: from the file\n')
    return str(path)


def as_read_by_ros(environ, params_file):
    """Return source, model and port as the three nodes get them."""
    read = subprocess.run([sys.executable, '-c', READER, *arguments(environ, params_file)],
                          check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    return [json.loads(line) for line in read.stdout.splitlines()]


def test_without_variables_the_file_decides(params_file):
    assert as_read_by_ros({}, params_file)[0] == 'from the file'


@pytest.mark.parametrize('source', [
    '0', '/dev/video0', 'demo:', 'csi:0', "Anna's film.mp4", 'a folder/*.jpg', 'yes',
    'rtsp://me:pass%20word@10.0.0.7:554/live?profile=1&x=[2]#top'])
def test_a_source_stays_the_text_that_it_is(source, params_file):
    environ = {'SOURCE': source, 'MODEL': '8', 'PORT': '8081'}
    assert as_read_by_ros(environ, params_file) == [source, '8', 8081]


def test_args_come_last_and_win(params_file):
    environ = {'PORT': '8081', 'ARGS': '-p overlay:port:=9000'}
    assert as_read_by_ros(environ, params_file)[2] == 9000


def test_a_port_that_is_none_is_refused(params_file):
    with pytest.raises(ValueError, match="PORT is 'eighty', and has to be a number"):
        arguments({'PORT': 'eighty'}, params_file)


def test_a_variable_that_is_written_small_is_not_passed_over():
    asked = subprocess.run(['make', '--dry-run', 'run', 'source=0'],
                           cwd=Path(__file__).resolve().parents[2], capture_output=True,
                           text=True, timeout=60)
    assert asked.returncode == 2
    assert 'source= is not known: SOURCE' in asked.stderr
