"""Image messages to arrays and back, all in this file."""

from __future__ import annotations

from array import array

import cv2
from edge_vision.core.frame import Frame
from edge_vision.nodes.stamps import header, stamp_ns_of
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

CHANNELS = {'bgr8': 3, 'rgb8': 3, 'mono8': 1, 'bgra8': 4, 'rgba8': 4}
TO_BGR = {'rgb8': cv2.COLOR_RGB2BGR, 'mono8': cv2.COLOR_GRAY2BGR, 'bgra8': cv2.COLOR_BGRA2BGR,
          'rgba8': cv2.COLOR_RGBA2BGR}


class BadImage(ValueError):
    """An image message that contradicts itself or has an encoding that cannot be read here."""


def image_view(message: Image) -> np.ndarray:
    """
    Give a view uint8 (H, W, C) of the message's data, in the message's own channel order.

    Nothing is copied; rows may lie apart by `step`. Raises BadImage.
    """
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise BadImage(f"encoding '{message.encoding}' is none of {', '.join(CHANNELS)}")
    height, width, step = message.height, message.width, message.step
    if not (height and width):
        raise BadImage(f'the image is {width}x{height}: a side is zero')
    if step < width * channels:
        raise BadImage(f'step is {step}, but a row of {width} pixels in {message.encoding} has '
                       f'{width * channels} bytes')
    if len(message.data) < step * (height - 1) + width * channels:
        raise BadImage(f'data has {len(message.data)} bytes, but {height} rows of step {step} '
                       f'need {step * height}')
    flat = np.frombuffer(message.data, np.uint8)
    return np.ndarray((height, width, channels), np.uint8, flat, strides=(step, channels, 1))


def image_to_bgr(message: Image) -> np.ndarray:
    """
    Give the picture as uint8 (H, W, 3), blue first; bgr8 is a view without a copy.

    Encodings beyond the common ones go through cv_bridge where it is installed.
    """
    if message.encoding not in CHANNELS:
        return _by_cv_bridge(message)
    view = image_view(message)
    if message.encoding == 'bgr8':
        return view
    return cv2.cvtColor(np.ascontiguousarray(view), TO_BGR[message.encoding])


def _by_cv_bridge(message: Image) -> np.ndarray:
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except ImportError as error:
        raise BadImage(f"encoding '{message.encoding}' is none of {', '.join(CHANNELS)}; "
                       f'others need cv_bridge, which is not installed') from error
    try:
        return CvBridge().imgmsg_to_cv2(message, 'bgr8')
    except (CvBridgeError, cv2.error, ValueError, TypeError) as error:
        raise BadImage(f"encoding '{message.encoding}' cannot be read: {error}") from error


def image_to_frame(message: Image) -> Frame:
    """Give the frame that an Image message carries; raises BadImage."""
    return Frame(image_to_bgr(message), stamp_ns_of(message.header), message.header.frame_id)


def frame_to_image(frame: Frame) -> Image:
    """Give the Image message (bgr8) of a frame."""
    height, width = frame.bgr.shape[:2]
    message = Image(header=header(frame.stamp_ns, frame.frame_id), height=height, width=width,
                    encoding='bgr8', is_bigendian=0, step=3 * width)
    # an array is taken over as it is; bytes would be checked one by one (4 times slower)
    message.data = array('B', frame.bgr.tobytes())
    return message


def jpeg_to_compressed(jpeg: bytes, stamp_ns: int, frame_id: str) -> CompressedImage:
    """Give the CompressedImage message of a JPEG."""
    message = CompressedImage(header=header(stamp_ns, frame_id),
                              format='bgr8; jpeg compressed bgr8')
    message.data = array('B', jpeg)
    return message
