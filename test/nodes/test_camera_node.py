"""The camera node alone, in its own process, over real topics."""

from __future__ import annotations

import time

from edge_vision.nodes import qos
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from support import decode, jpeg_of, MjpegCamera, open_files, picture, running

CALIBRATION = """\
image_width: 640
image_height: 480
camera_name: test
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 510, 240, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [500, 0, 320, 0, 0, 510, 240, 0, 0, 0, 1, 0]}
"""


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """Run the camera node with the demo picture at half size, with a calibration."""
    path = tmp_path_factory.mktemp('calibration') / 'camera.yaml'
    path.write_text(CALIBRATION)
    with running('camera_node', fps=15.0, width=320, height=240, frame_id='left_eye',
                 camera_info_url=f'file://{path}') as program:
        yield program


def test_images_say_what_they_are(demo, ears):
    before_ns = time.time_ns()
    message = ears.one(Image, '/image_raw', qos.SENSOR)
    stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
    assert before_ns - 10**9 < stamp_ns <= time.time_ns()
    assert message.header.frame_id == 'left_eye'
    assert (message.width, message.height, message.step) == (320, 240, 960)
    assert message.encoding == 'bgr8' and len(message.data) == 960 * 240
    assert np.ptp(np.frombuffer(message.data, np.uint8)) > 50, 'the picture is blank'


def test_image_raw_is_best_effort_and_keeps_one(demo, ears):
    ears.until(lambda: ears.node.count_publishers('/image_raw'), 'the publisher')
    profile = ears.node.get_publishers_info_by_topic('/image_raw')[0].qos_profile
    assert profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert profile.durability == DurabilityPolicy.VOLATILE
    # the depth of a remote publisher is not told over DDS: where it is, it has to be 1
    assert profile.history in (HistoryPolicy.KEEP_LAST, HistoryPolicy.UNKNOWN)
    assert profile.depth in (0, 1)


def test_stamps_grow_and_the_picture_moves(demo, ears):
    with ears.hearing(Image, '/image_raw', qos.SENSOR) as heard:
        ears.until(lambda: len(heard) > 8, 'nine images')
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in heard]
    assert stamps == sorted(set(stamps))
    assert heard[0].data != heard[-1].data


def test_camera_info_is_scaled_to_the_image_and_has_its_header(demo, ears):
    with ears.hearing(Image, '/image_raw', qos.SENSOR) as images:
        with ears.hearing(CameraInfo, '/camera_info', qos.SENSOR) as infos:
            def pair():
                stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for m in images}
                return next((i for i in infos if (
                    i.header.stamp.sec, i.header.stamp.nanosec) in stamps), None)
            info = ears.until(pair, 'a camera_info with the stamp of an image')
    assert info.header.frame_id == 'left_eye' and (info.width, info.height) == (320, 240)
    assert list(info.k) == [250, 0, 160, 0, 255, 120, 0, 0, 1]
    assert list(info.p) == [250, 0, 160, 0, 0, 255, 120, 0, 0, 0, 1, 0]
    assert info.distortion_model == 'plumb_bob' and list(info.d)[:2] == [0.1, -0.2]


def test_a_jpeg_is_made_for_who_asks(demo, ears):
    message = ears.one(CompressedImage, '/image_raw/compressed', qos.SENSOR)
    assert 'jpeg' in message.format and message.header.frame_id == 'left_eye'
    assert decode(message.data.tobytes()).shape == (240, 320, 3)


def test_diagnostics_come_once_a_second_with_the_figures(demo, ears):
    times = []
    status = {}
    ears.health('/camera', lambda s: float(s['fps']) > 5, 'a rate')

    def note(s):
        times.append(time.monotonic())
        status.update(s)
        return len(times) >= 4
    ears.health('/camera', note)
    assert 2.0 < times[-1] - times[0] < 6.0, times
    assert status['level'] == 'ok' and 'demo' in status['source']
    assert (status['enabled'], status['state']) == ('true', 'running')
    assert (status['width'], status['height']) == ('320', '240')
    assert {'dropped', 'reconnects'} <= set(status)
    assert 5 < float(status['fps']) < 16


def test_pause_and_resume(demo, ears):
    assert ears.enable('camera', False).success
    paused = ears.health('/camera', lambda s: s['state'] == 'paused')
    assert (paused['level'], paused['message'], paused['enabled']) == ('ok', 'paused', 'false')
    with ears.hearing(Image, '/image_raw', qos.SENSOR) as heard:
        ears.serve(0.5)  # one may have been on its way
        heard.clear()
        ears.serve(0.7)
        assert not heard
        answer = ears.enable('camera', True)
        assert answer.success and answer.message == 'camera is on'
        ears.until(lambda: heard, 'an image after the pause')


def test_size_and_rate_change_live(demo, ears):
    for name, value in (('width', 160), ('height', 120), ('fps', 5.0)):
        assert ears.set('camera', name, value).successful
    ears.one(Image, '/image_raw', qos.SENSOR, lambda m: (m.width, m.height) == (160, 120))
    ears.health('/camera', lambda s: 1 < float(s['fps']) < 7.5, 'five frames a second')


@pytest.mark.parametrize('name, value, words', [
    ('source', '/no/such/file.mp4', "source '/no/such/file.mp4' is neither a file nor a folder"),
    ('source', 'gopher://x', "unknown scheme 'gopher:'"),
    ('source', '', "source '' is empty"),
    ('width', 5, ''), ('fps', -1.0, ''), ('width', 'wide', ''), ('frame_id', 'other', '')])
def test_wrong_live_changes_are_refused_and_the_camera_goes_on(demo, ears, name, value, words):
    result = ears.set('camera', name, value)
    assert not result.successful and result.reason and words in result.reason
    ears.one(Image, '/image_raw', qos.SENSOR)


def test_what_cannot_be_used_reaches_nobody(demo, ears):
    from rcl_interfaces.srv import ListParameters
    names = ears.call(ListParameters, '/camera/list_parameters', ListParameters.Request())
    assert 'source' in names.result.names
    assert not ears.set('camera', 'no_such_parameter', 1).successful


# ---- a network camera that comes and goes

@pytest.fixture(scope='module')
def network(ears):
    """Run the camera node on an MJPEG camera of this machine."""
    camera = MjpegCamera()
    with running('camera_node', '--ros-args', '-r', '__ns:=/net', source=camera.url,
                 reconnect_s=0.2) as program:
        program.says('MJPEG stream')
        yield program, camera
    camera.close()


def test_the_jpeg_of_the_camera_is_passed_through(network, ears):
    _, camera = network
    message = ears.one(CompressedImage, '/net/image_raw/compressed', qos.SENSOR)
    assert message.data.tobytes() in camera.jpegs


def test_the_image_is_the_decoded_jpeg(network, ears):
    _, camera = network
    message = ears.one(Image, '/net/image_raw', qos.SENSOR)
    assert message.data.tobytes() in [decode(jpeg).tobytes() for jpeg in camera.jpegs]


def test_without_a_calibration_there_is_no_camera_info(network, ears):
    with ears.hearing(CameraInfo, '/net/camera_info', qos.SENSOR) as infos:
        ears.one(Image, '/net/image_raw', qos.SENSOR)
        ears.serve(0.5)
    assert not infos


def test_a_paused_camera_hangs_up(network, ears):
    _, camera = network
    ears.enable('net/camera', False)
    ears.until(lambda: camera.viewers == 0, 'the end of the connection')
    ears.enable('net/camera', True)
    ears.until(lambda: camera.viewers == 1, 'a new connection')


def test_a_lost_camera_is_told_and_comes_back(network, ears):
    program, camera = network
    port = camera.port
    camera.close()
    lost = ears.health('/net/camera', lambda s: s['level'] == 'error')
    assert lost['state'] == 'lost' and 'next try in' in lost['message']
    assert f'127.0.0.1:{port}' in lost['message']
    again = MjpegCamera(port=port, size_wh=(80, 60))
    try:
        ears.one(Image, '/net/image_raw', qos.SENSOR, lambda m: m.width == 80)
        back = ears.health('/net/camera', lambda s: s['level'] == 'ok' and s['state'] == 'running')
        assert int(back['reconnects']) >= 1 and back['enabled'] == 'true'
        # another source takes over while this one is in use
        assert ears.set('net/camera', 'source', 'demo:').successful
        ears.until(lambda: again.viewers == 0, 'the old source is let go')
        ears.one(Image, '/net/image_raw', qos.SENSOR, lambda m: m.width == 640)
    finally:
        again.close()
    assert 'Traceback' not in program.stderr


# ---- files

@pytest.fixture
def folder(tmp_path):
    """Give a folder with two images and one that is none."""
    for number in (1, 2):
        (tmp_path / f'{number}.jpg').write_bytes(jpeg_of(picture(number)))
    (tmp_path / '3.jpg').write_bytes(b'no image')
    return tmp_path


def test_a_folder_ends_and_starts_again_with_loop(folder, ears):
    with running('camera_node', '--ros-args', '-r', '__ns:=/files', source=str(folder),
                 loop=False, fps=20.0) as program:
        ended = ears.health('/files/camera', lambda s: s['state'] == 'ended')
        assert ended['level'] == 'warn' and 'loop' in ended['message']
        assert not [name for name in open_files(program.process.pid) if str(folder) in name]
        assert ears.set('files/camera', 'loop', True).successful
        ears.one(Image, '/files/image_raw', qos.SENSOR)
        assert ears.health('/files/camera', lambda s: s['state'] == 'running')['level'] == 'ok'
