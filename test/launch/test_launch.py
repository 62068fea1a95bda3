"""launch/nano.launch.py: what it starts, with which words, and how it ends."""

import os
from pathlib import Path
import signal
import socket
import time

from launching import Launched
import pytest
from support import http, REPO, wait_for
import yaml

pytest.importorskip('launch_ros.actions', reason='launch_ros is not installed (ROS 2 has it)')

ONE = ('nano',)
ALL = ('camera_node', 'detector_node', 'gesture_node', 'speech_node', 'overlay_node')
ARGUMENTS = {'source', 'model', 'port', 'params_file', 'namespace', 'composed', 'use_camera',
             'use_gesture', 'use_overlay', 'use_speech', 'gesture_model', 'fingertip_model'}


def shared_file(name):
    """Give the path of a file of config/ as it is installed."""
    from ament_index_python.packages import get_package_share_directory
    return os.path.join(get_package_share_directory('edge_vision'), 'config', name)


def parameter_files(words):
    """Give the words that follow --params-file; the last of two that set the same wins."""
    return [words[at + 1] for at, word in enumerate(words) if word == '--params-file']


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def test_the_arguments_are_declared_with_descriptions():
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    source = PythonLaunchDescriptionSource(str(REPO / 'launch' / 'nano.launch.py'))
    description = source.get_launch_description(LaunchContext())
    declared = {argument.name: argument.description
                for argument in description.get_launch_arguments()}
    assert ARGUMENTS <= set(declared)
    assert all(declared.values())


@pytest.mark.parametrize('arguments, names', [
    ({}, ONE),
    ({'composed': 'true'}, ONE),
    ({'composed': 'False'}, ALL),
    ({'composed': 'false', 'use_camera': 'false'}, ALL[1:]),
    ({'composed': 'false', 'use_overlay': 'false'}, ALL[:4]),
    ({'composed': 'false', 'use_gesture': 'false'}, ALL[:2] + ALL[3:]),
    ({'composed': 'false', 'use_overlay': 'false', 'use_speech': 'false'}, ALL[:3]),
    ({'composed': 'false', 'use_camera': 'false', 'use_overlay': 'false'}, ALL[1:4]),
], ids=str)
def test_the_processes_and_a_clean_end(tmp_path, arguments, names):
    with Launched(tmp_path, arguments, stand_in=True) as launch:
        told = launch.started(*names)
        assert shared_file('fastdds.xml') in told[names[0]]['profile']
        assert launch.interrupted() == 0
        assert not launch.others()


@pytest.mark.parametrize('arguments, without', [
    ({}, []),
    ({'use_camera': 'false'}, ['--without', 'camera']),
    ({'use_overlay': '0'}, ['--without', 'overlay']),
    ({'use_gesture': 'false'}, ['--without', 'gesture']),
    ({'use_speech': 'false'}, ['--without', 'speech']),
    ({'use_camera': 'false', 'use_overlay': 'false'}, ['--without', 'camera', 'overlay']),
], ids=str)
def test_nano_is_told_what_runs_elsewhere(tmp_path, arguments, without):
    with Launched(tmp_path, arguments, stand_in=True) as launch:
        words = launch.started('nano')['nano']['words']
        assert words[:words.index('--ros-args')] == without


@pytest.mark.parametrize('arguments, wanted', [
    ({'source': '0'}, {'/camera': {'source': '0'}}),
    ({'source': 'demo:', 'port': '8081'},
     {'/camera': {'source': 'demo:'}, '/overlay': {'port': 8081}}),
    ({'source': "/a b/it's.mp4"}, {'/camera': {'source': "/a b/it's.mp4"}}),
    ({'source': 'rtsp://u:p@10.0.0.1/a?b=1&c=#2'},
     {'/camera': {'source': 'rtsp://u:p@10.0.0.1/a?b=1&c=#2'}}),
    ({'source': '/images/*.jpg', 'model': 'hog', 'namespace': 'robot1'},
     {'/robot1/camera': {'source': '/images/*.jpg'}, '/robot1/detector': {'model': 'hog'}}),
    ({'gesture_model': 'my hand.onnx', 'fingertip_model': '/a/b.onnx'},
     {'/gesture': {'model': 'my hand.onnx', 'fingertip_model': '/a/b.onnx'}}),
], ids=str)
@pytest.mark.parametrize('composed', ['true', 'false'])
def test_arguments_become_parameters_that_win_over_the_file(tmp_path, composed, arguments,
                                                            wanted):
    arguments = dict(arguments, composed=composed, params_file='/some/my nano.yaml')
    with Launched(tmp_path, arguments, stand_in=True) as launch:
        told = launch.started(*(ONE if composed == 'true' else ALL))
    for one in told.values():
        first, last = parameter_files(one['words'])
        assert first == '/some/my nano.yaml'
        written = yaml.safe_load(Path(last).read_text())
        assert {node: what['ros__parameters'] for node, what in written.items()} == wanted


def test_without_arguments_the_file_alone_counts(tmp_path):
    with Launched(tmp_path, stand_in=True) as launch:
        [file] = parameter_files(launch.started('nano')['nano']['words'])
    assert file == shared_file('nano.yaml')


@pytest.mark.parametrize('given, wanted', [('', '__ns:=/'), ('robot1', '__ns:=/robot1')])
def test_the_namespace_counts_for_all_nodes(tmp_path, given, wanted):
    with Launched(tmp_path, {'namespace': given, 'composed': 'false'}, stand_in=True) as launch:
        for told in launch.started(*ALL).values():
            assert wanted in told['words']


def test_a_profile_of_the_user_is_kept(tmp_path):
    environment = {'FASTDDS_DEFAULT_PROFILES_FILE': '/my.xml',
                   'FASTRTPS_DEFAULT_PROFILES_FILE': '/my.xml'}
    with Launched(tmp_path, stand_in=True, environment=environment) as launch:
        assert launch.started('nano')['nano']['profile'] == ['/my.xml'] * 2


@pytest.mark.parametrize('arguments, codes, sentence', [
    ({}, {'nano': 2}, 'cannot run like this, see its line above'),
    ({}, {'nano': 1}, 'died with exit code 1'),
    ({'composed': 'false'}, {'detector_node': 2}, 'cannot run like this, see its line above'),
    ({'port': 'web'}, {}, "port must be a number, but is 'web'"),
    ({'composed': 'maybe'}, {}, "composed must be true or false, but is 'maybe'"),
    ({'use_camera': 'no'}, {}, "use_camera must be true or false, but is 'no'"),
], ids=str)
def test_what_goes_wrong_ends_the_launch_with_exit_code_1(tmp_path, arguments, codes, sentence):
    with Launched(tmp_path, arguments, stand_in=True, codes=codes) as launch:
        assert launch.ended() == 1
        assert sentence in launch.output
        assert 'Traceback' not in launch.output
        assert not launch.others()


def test_a_process_that_was_killed_comes_back(tmp_path):
    with Launched(tmp_path, {'composed': 'false'}, stand_in=True) as launch:
        first = launch.started(*ALL)['camera_node']['pid']
        (tmp_path / 'camera_node').unlink()
        os.kill(first, signal.SIGKILL)
        wait_for((tmp_path / 'camera_node').exists, 'the camera node comes back')
        assert launch.process.poll() is None
        assert launch.interrupted() == 0


@pytest.mark.parametrize('composed', ['true', 'false'])
def test_the_whole_system_in_a_namespace_shows_a_file_with_spaces(tmp_path, port, composed):
    import cv2
    import numpy as np
    folder = tmp_path / "my pictures, it's mine"
    folder.mkdir()
    cv2.imwrite(str(folder / 'grey.png'), np.full((120, 160, 3), 90, np.uint8))
    arguments = {'source': str(folder), 'model': 'hog', 'port': str(port), 'composed': composed,
                 'namespace': 'robot1', 'use_gesture': 'false'}
    with Launched(tmp_path, arguments) as launch:
        launch.says(f'the page is at http://127.0.0.1:{port}/')
        wait_for(lambda: http(f'http://127.0.0.1:{port}/api/status').json['detector']['fps'],
                 'images reach the detector', detail=lambda: launch.output)
        status = http(f'http://127.0.0.1:{port}/api/status').json
        assert status['detector']['model'] == 'hog'
        started_s = time.monotonic()
        assert launch.interrupted() == 0
        assert time.monotonic() - started_s < 5
        assert 'Traceback' not in launch.output
        assert not launch.others()


@pytest.mark.parametrize('composed', ['true', 'false'])
def test_the_gesture_node_looks_with_the_models_that_are_given(tmp_path, port, composed):
    pytest.importorskip('onnx', reason='the models are made with onnx')
    from gesture_files import save_classifier, save_pointer
    gesture = save_classifier(tmp_path / "it's mine.onnx")
    arguments = {'gesture_model': gesture, 'model': 'hog', 'port': str(port), 'namespace': 'one',
                 'fingertip_model': save_pointer(tmp_path / 'tip.onnx'), 'composed': composed,
                 'use_speech': 'false'}
    with Launched(tmp_path, arguments) as launch:
        launch.says(f'the page is at http://127.0.0.1:{port}/')
        status = wait_for(
            lambda: (s := http(f'http://127.0.0.1:{port}/api/status').json)['gestures'][
                'fps'] and s, 'pictures are looked at', detail=lambda: launch.output)
        assert status['gestures']['model'] == gesture and status['gesture']['label']
        assert status['gestures']['fingertip']
        assert launch.interrupted() == 0
        assert not launch.others()


@pytest.mark.parametrize('composed', ['true', 'false'])
def test_wrong_use_is_one_sentence_and_the_end(tmp_path, port, composed):
    arguments = {'source': 'nosuch.mp4', 'model': 'hog', 'port': str(port), 'composed': composed}
    with Launched(tmp_path, arguments) as launch:
        assert launch.ended(30) == 1
        assert launch.output.count("source 'nosuch.mp4' is neither a file nor a folder") == 1
        assert not launch.others()
