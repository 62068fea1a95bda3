"""Image messages to arrays and back."""

from __future__ import annotations

import importlib.util

import cv2
from edge_vision.core.frame import Frame
from edge_vision.nodes.images import (
    BadImage,
    frame_to_image,
    image_to_bgr,
    image_to_frame,
    image_view,
    jpeg_to_compressed,
)
import numpy as np
import pytest
from sensor_msgs.msg import Image
from support import image_message

STAMP_NS = 1_700_000_123_456_789_012
HAS_CV_BRIDGE = importlib.util.find_spec('cv_bridge') is not None

# encoding, one pixel of the message, the same pixel as blue, green, red
PIXELS = [('bgr8', (10, 20, 30), (10, 20, 30)),
          ('rgb8', (30, 20, 10), (10, 20, 30)),
          ('mono8', (77,), (77, 77, 77)),
          ('bgra8', (10, 20, 30, 255), (10, 20, 30)),
          ('rgba8', (30, 20, 10, 0), (10, 20, 30))]


def message_of(array: np.ndarray, encoding: str, padding: int = 0) -> Image:
    height, width, channels = array.shape
    rows = [row.tobytes() + b'\xee' * padding for row in array]
    return Image(height=height, width=width, encoding=encoding, step=width * channels + padding,
                 data=b''.join(rows))


@pytest.mark.parametrize('padding', [0, 1, 7])
@pytest.mark.parametrize('encoding, pixel, bgr', PIXELS, ids=[p[0] for p in PIXELS])
def test_each_encoding_gives_blue_green_red(encoding, pixel, bgr, padding):
    array = np.zeros((3, 5, len(pixel)), np.uint8)
    array[1, 2] = pixel
    got = image_to_bgr(message_of(array, encoding, padding))
    assert got.shape == (3, 5, 3) and got.dtype == np.uint8
    assert tuple(got[1, 2]) == bgr
    assert got.sum() == sum(bgr), 'padding or a neighbour got into the picture'


@pytest.mark.parametrize('padding', [0, 5])
def test_bgr8_is_a_view_of_the_message(padding):
    message = message_of(np.zeros((2, 3, 3), np.uint8), 'bgr8', padding)
    bgr = image_to_bgr(message)
    message.data[message.step + 3] = 200  # second row, second pixel, blue
    assert bgr[1, 1, 0] == 200
    assert np.shares_memory(bgr, np.frombuffer(message.data, np.uint8))


def test_last_row_needs_no_padding():
    array = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3)
    message = message_of(array, 'bgr8', 4)
    message.data = message.data[:-4]
    assert np.array_equal(image_view(message), array)


@pytest.mark.parametrize('size_wh', [(1, 1), (3, 2), (641, 7)])
def test_frame_to_message_and_back(size_wh):
    bgr = np.random.default_rng(0).integers(0, 256, size_wh[::-1] + (3,), np.uint8)
    message = frame_to_image(Frame(bgr, STAMP_NS, 'left_eye'))
    assert (message.width, message.height, message.step) == (*size_wh, 3 * size_wh[0])
    assert message.encoding == 'bgr8' and not message.is_bigendian
    assert message.header.frame_id == 'left_eye'
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_123, 456_789_012)
    back = image_to_frame(message)
    assert np.array_equal(back.bgr, bgr)
    assert (back.stamp_ns, back.frame_id, back.jpeg) == (STAMP_NS, 'left_eye', None)


def test_a_cut_out_of_a_picture_can_be_sent():
    bgr = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)[1:4, 2:7]
    assert np.array_equal(image_to_bgr(frame_to_image(Frame(bgr, 0))), bgr)


def bad(**changes) -> Image:
    message = image_message(np.zeros((4, 6, 3), np.uint8))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize('message, words', [
    (bad(step=17), 'step is 17, but a row of 6 pixels in bgr8 has 18 bytes'),
    (bad(step=0), 'step is 0'),
    (bad(step=19), 'data has 72 bytes'),
    (bad(data=b''), 'data has 0 bytes'),
    (bad(height=5), 'data has 72 bytes, but 5 rows of step 18 need 90'),
    (bad(width=0, step=0), 'the image is 0x4'),
    (bad(height=0, data=b''), 'the image is 6x0'),
    (bad(width=2**32 - 1), 'step is 18'),
    (bad(height=2**32 - 1, step=2**32 - 1), 'data has 72 bytes'),
    (bad(encoding='rgba8'), 'step is 18, but a row of 6 pixels in rgba8 has 24 bytes'),
], ids=['short step', 'no step', 'long step', 'no data', 'too high', 'no width', 'no height',
        'huge width', 'huge height', 'other encoding'])
def test_a_message_that_contradicts_itself_is_refused(message, words):
    with pytest.raises(BadImage) as caught:
        image_to_frame(message)
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.skipif(HAS_CV_BRIDGE, reason='cv_bridge is installed and reads it')
@pytest.mark.parametrize('encoding', ['', 'yuv422', 'bayer_rggb8', '16UC1', 'nonsense'])
def test_other_encodings_are_refused_by_name_without_cv_bridge(encoding):
    with pytest.raises(BadImage, match='cv_bridge') as caught:
        image_to_bgr(bad(encoding=encoding))
    assert f"'{encoding}'" in str(caught.value)


@pytest.mark.skipif(not HAS_CV_BRIDGE, reason='cv_bridge is not installed')
def test_cv_bridge_reads_other_encodings():
    yuyv = np.full((4, 6, 2), 128, np.uint8)
    bgr = image_to_bgr(message_of(yuyv, 'yuv422_yuy2'))
    assert bgr.shape == (4, 6, 3)


def test_compressed_carries_the_jpeg_as_it_is():
    jpeg = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    message = jpeg_to_compressed(jpeg, STAMP_NS, 'camera')
    assert message.data.tobytes() == jpeg
    assert 'jpeg' in message.format and message.header.frame_id == 'camera'
