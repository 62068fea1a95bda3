"""Cameras on the machine: what their buffers hold, and what is asked of them."""

import threading

import cv2
from edge_vision.core.jpeg import encode, Variant
from edge_vision.core.sources import SourceLost
from edge_vision.core.sources.csi import csi_pipeline, GstreamerSource
from edge_vision.core.sources.v4l2 import decode_v4l2, MOST_DAMAGED, V4l2Source
import numpy as np
import pytest

SIZE_WH = (32, 16)
PICTURE = np.full((16, 32, 3), (200, 100, 50), np.uint8)
JPEG = encode(PICTURE, Variant(quality=95))


def row(data):
    """Give bytes as OpenCV gives a buffer: one row."""
    return np.frombuffer(bytes(data), np.uint8).reshape(1, -1)


def yuyv():
    """Encode PICTURE as YUYV, by BT.601."""
    blue, green, red = (float(x) for x in PICTURE[0, 0])
    y = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    u = 128 + (-37.797 * red - 74.203 * green + 112 * blue) / 255
    v = 128 + (112 * red - 93.786 * green - 18.214 * blue) / 255
    pair = np.array([y, u, y, v]).round().astype(np.uint8)
    return np.tile(pair, 16 * 16).reshape(16, 32, 2)


BRIGHT = np.tile(np.array([0xFF, 0xD8], np.uint8), 16 * 32).reshape(16, 32, 2)


@pytest.mark.parametrize(('raw', 'jpeg'), [
    pytest.param(PICTURE, None, id='BGR'),
    pytest.param(yuyv(), None, id='YUYV'),
    pytest.param(row(yuyv().tobytes()), None, id='YUYV in one row'),
    pytest.param(row(JPEG), JPEG, id='MJPG'),
    pytest.param(row(JPEG).T, JPEG, id='MJPG in one column'),
    pytest.param(row(JPEG + bytes(5000)), JPEG, id='MJPG, zeros behind'),
    pytest.param(row(JPEG + bytes(range(256))), JPEG, id='MJPG, an old picture behind')])
def test_what_a_buffer_holds(raw, jpeg):
    bgr, kept = decode_v4l2(raw, SIZE_WH)
    assert bgr.shape == PICTURE.shape and np.abs(bgr.astype(int) - PICTURE).max() <= 4
    assert kept == jpeg


def test_yuyv_that_begins_as_a_jpeg_is_yuyv():
    assert decode_v4l2(BRIGHT, SIZE_WH)[1] is None


@pytest.mark.parametrize(('raw', 'sentence'), [
    pytest.param(row(b''), 'delivered 0 bytes for 32x16', id='nothing'),
    pytest.param(row(b'garbage'), 'neither MJPG nor YUYV', id='garbage'),
    pytest.param(np.zeros((16, 32), np.uint8), 'neither MJPG nor YUYV', id='grey'),
    pytest.param(row(b'\xff\xd8\xff\xd9'), 'a damaged JPEG', id='an empty JPEG'),
    pytest.param(row(JPEG[:-40]), 'a damaged JPEG', id='a JPEG without its end'),
    pytest.param(row(b'\xff\xd8' + b'x' * 999), 'a damaged JPEG', id='no JPEG behind the mark')])
def test_what_is_no_picture_is_a_loss(raw, sentence):
    with pytest.raises(SourceLost, match=sentence):
        decode_v4l2(raw, SIZE_WH)


class FakeDevice:
    """In place of cv2.VideoCapture: there is no camera on the machines that run the tests."""

    def __init__(self, buffers, fourcc=b'MJPG', opens=True):
        self.buffers, self.opens, self.released = list(buffers), opens, 0
        self.settings = {cv2.CAP_PROP_FOURCC: int.from_bytes(fourcc, 'little'),
                         cv2.CAP_PROP_FRAME_WIDTH: 32.0, cv2.CAP_PROP_FRAME_HEIGHT: 16.0,
                         cv2.CAP_PROP_FPS: 30.0}
        self.asked = {}

    def __call__(self, *device):
        self.device = device
        return self

    def isOpened(self):  # noqa: N802 (OpenCV's name)
        return self.opens

    def set(self, setting, value):
        self.asked[setting] = value
        return True

    def get(self, setting):
        return self.settings[setting]

    def grab(self):
        return bool(self.buffers)

    def retrieve(self):
        buffer = self.buffers.pop(0)
        return buffer is not None, buffer

    def read(self):
        return self.retrieve() if self.grab() else (False, None)

    def release(self):
        self.released += 1


@pytest.fixture
def camera_of(monkeypatch):
    def make(*buffers, **more):
        device = FakeDevice(buffers, **more)
        monkeypatch.setattr(cv2, 'VideoCapture', device)
        return device, V4l2Source(0, (640, 480), 25.0)
    return make


def test_settings_are_asked_for_and_read_back(camera_of):
    device, camera = camera_of(row(JPEG))
    camera.open(threading.Event())
    assert device.device == (0, cv2.CAP_V4L2)
    assert device.asked[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert device.asked[cv2.CAP_PROP_FPS] == 25
    assert camera.description == 'camera 0, 32x16 MJPG at 30 frames/s'
    assert camera.read().jpeg == JPEG
    camera.close()
    camera.close()
    assert device.released == 1


@pytest.mark.parametrize(('fourcc', 'asked'), [
    (b'MJPG', 0), (b'YUYV', 0), (b'UYVY', None), (b'GREY', None), (b'\xff\xff\xff\xff', None)])
def test_formats_that_are_not_decoded_here_are_left_to_opencv(camera_of, fourcc, asked):
    device, camera = camera_of(fourcc=fourcc)
    device.settings[cv2.CAP_PROP_FOURCC] -= 2 ** 32 if fourcc[3] > 127 else 0  # as OpenCV gives it
    camera.open(threading.Event())
    assert device.asked.get(cv2.CAP_PROP_CONVERT_RGB) == asked


def test_damaged_pictures_now_and_then_are_passed_over(camera_of):
    _, camera = camera_of(None, row(b'\xff\xd8broken'), row(JPEG))
    camera.open(threading.Event())
    assert camera.read().jpeg == JPEG and camera.skipped == 2


def test_only_damaged_pictures_are_a_loss(camera_of):
    _, camera = camera_of(*[row(b'\xff\xd8broken')] * (MOST_DAMAGED + 1))
    camera.open(threading.Event())
    with pytest.raises(SourceLost, match='damaged JPEG'):
        camera.read()


def test_a_camera_that_is_pulled_out_is_a_loss(camera_of):
    _, camera = camera_of()
    camera.open(threading.Event())
    with pytest.raises(SourceLost, match='camera 0 stopped delivering'):
        camera.read()


@pytest.mark.parametrize('path', ['/dev/null', '/dev/no-such-camera'])
def test_what_is_no_camera_cannot_be_opened(path):
    camera = V4l2Source(path, SIZE_WH, 0.0)
    with pytest.raises(SourceLost, match=f'camera {path} cannot be opened'):
        camera.open(threading.Event())
    camera.close()


@pytest.mark.parametrize(('sensor', 'size_wh', 'fps', 'expected'), [
    pytest.param(0, (640, 480), 30.0, ['sensor-id=0 ', 'width=640, height=480', '=30/1'], id='0'),
    pytest.param(1, (1920, 1080), 60.0, ['sensor-id=1 ', 'width=1920, height=1080', '=60/1'],
                 id='1'),
    pytest.param(0, (640, 480), 0.0, ['=30/1'], id='no rate asked for'),
    pytest.param(0, (640, 480), 29.97, ['=30/1'], id='not a whole rate'),
    pytest.param(0, (640, 480), 0.2, ['=1/1'], id='less than one a second')])
def test_csi_pipeline(sensor, size_wh, fps, expected):
    pipeline = csi_pipeline(sensor, size_wh, fps)
    assert all(part in pipeline for part in expected)
    elements = [part.split()[0] for part in pipeline.split(' ! ')]
    assert elements[0] == 'nvarguscamerasrc' and elements[-1] == 'appsink'
    assert 'format=BGR ! appsink drop=true max-buffers=1' in pipeline


def test_gstreamer(monkeypatch):
    device = FakeDevice([PICTURE])
    monkeypatch.setattr(cv2, 'VideoCapture', device)
    camera = GstreamerSource('a ! b', 'csi:0')
    camera.open(threading.Event())
    assert device.device == ('a ! b', cv2.CAP_GSTREAMER)
    assert camera.read().bgr is PICTURE and camera.description == 'csi:0 through GStreamer'
    with pytest.raises(SourceLost, match='csi:0 stopped delivering'):
        camera.read()
    camera.close()
    assert device.released == 1


def test_gstreamer_that_does_not_start(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', FakeDevice([], opens=False))
    with pytest.raises(SourceLost, match='csi:0: the GStreamer pipeline does not start'):
        GstreamerSource('a ! b', 'csi:0').open(threading.Event())
