"""The detector node alone, in its own process, over real topics."""

from __future__ import annotations

import cv2
from edge_vision.nodes import qos
import numpy as np
import pytest
from sensor_msgs.msg import Image
from support import image_message, picture, running, SHARED, YOLOX
from vision_msgs.msg import Detection2DArray, LabelInfo

VIDEO = SHARED / 'data' / 'video' / 'one_by_one_person.mp4'


@pytest.fixture(scope='module')
def hog():
    """Run the detector node with the baseline, which needs no file."""
    with running('detector_node', model='hog') as program:
        program.says('model hog on cpu')
        yield program


@pytest.fixture(scope='module')
def speak(ears, hog):
    """Give a function that publishes an image until its detections come back, and gives them."""
    with ears.speaking(Image, '/image_raw', qos.SENSOR) as publisher:
        with ears.hearing(Detection2DArray, '/detections', qos.RESULT) as heard:
            yield asker(ears, publisher, heard)


def asker(ears, publisher, heard):
    stamps = iter(range(1_700_000_000_000_000_005, 1_800_000_000_000_000_000, 10**9 + 1))

    def ask(message_of, **changes):
        """Send the image again and again under new stamps: best effort may lose one."""
        sent = set()

        def answer():
            stamp_ns = next(stamps)
            message = message_of(stamp_ns)
            for name, value in changes.items():
                setattr(message, name, value)
            sent.add((message.header.stamp.sec, message.header.stamp.nanosec))
            publisher.publish(message)
            return next((m for m in heard if (
                m.header.stamp.sec, m.header.stamp.nanosec) in sent), None)
        return ears.until(answer, 'detections with the stamp of their image')
    return ask


def plain(stamp_ns: int) -> Image:
    return image_message(picture(1, (320, 240)), stamp_ns, 'right_eye')


def test_detections_carry_the_header_of_their_image_even_without_any(speak):
    found = speak(plain)
    assert found.header.frame_id == 'right_eye' and not found.detections


@pytest.mark.parametrize('encoding, channels', [
    ('bgr8', 3), ('rgb8', 3), ('mono8', 1), ('bgra8', 4), ('rgba8', 4)])
@pytest.mark.parametrize('padding', [0, 6])
def test_every_encoding_of_the_contract_is_taken(speak, encoding, channels, padding):
    def message_of(stamp_ns):
        message = image_message(picture(), stamp_ns, 'camera')
        message.encoding, message.step = encoding, 64 * channels + padding
        message.data = bytes(message.step * 48)
        return message
    assert speak(message_of).header.frame_id == 'camera'


def test_a_late_subscriber_learns_the_labels(hog, ears):
    info = ears.one(LabelInfo, '/label_info', qos.LATCHED)
    assert [(c.class_id, c.class_name) for c in info.class_map] == [(0, 'person')]
    assert info.threshold == pytest.approx(0.4)


@pytest.mark.parametrize('changes, words', [
    ({'step': 3}, 'step is 3'),
    ({'width': 0, 'height': 0}, 'a side is zero'),
    ({'encoding': 'nonsense'}, "encoding 'nonsense'"),
    ({'data': b'123'}, 'data has 3 bytes'),
    ({'height': 4_000_000_000}, 'data has')],
    ids=['step', 'zero size', 'encoding', 'short data', 'huge'])
def test_a_bad_image_is_told_on_diagnostics(hog, ears, changes, words):
    message = plain(1)
    for name, value in changes.items():
        setattr(message, name, value)
    with ears.speaking(Image, '/image_raw', qos.SENSOR) as publisher:
        def told(status=None):
            publisher.publish(message)
            return status and words in status['message'] and int(status['errors']) > 0
        told()
        assert ears.health('/detector', told, words)['level'] == 'warn'


def test_after_bad_images_the_node_goes_on(hog, speak):
    speak(plain)
    assert hog.process.poll() is None and 'Traceback' not in hog.stderr


def test_diagnostics_have_the_figures_of_the_contract(hog, ears, speak):
    def fed(status):
        for _ in range(3):
            speak(plain)
        return float(status['fps']) > 0 and 'latency_ms_p95' in status
    status = ears.health('/detector', fed)
    assert (status['level'], status['message']) == ('ok', 'on cpu')
    assert (status['model'], status['provider']) == ('hog', 'cpu')
    for stage in ('preprocess', 'inference', 'postprocess'):
        assert float(status[f'{stage}_ms']) >= 0
    assert float(status['latency_ms_p50']) <= float(status['latency_ms_p95'])
    assert {'count', 'dropped', 'errors', 'enabled'} <= set(status)


def test_without_images_the_level_is_a_warning(hog, ears):
    status = ears.health('/detector', lambda s: s['level'] == 'warn')
    assert status['message'].startswith('no images arrive')


def test_pause_gives_the_subscription_up(hog, ears, speak):
    assert ears.enable('detector', False).message == 'detector is paused'
    ears.until(lambda: ears.node.count_subscribers('/image_raw') == 0, 'the subscription ends')
    assert ears.health('/detector', lambda s: s['enabled'] == 'false')['message'] == 'paused'
    ears.enable('detector', True)
    speak(plain)


@pytest.mark.parametrize('name, value, words', [
    ('score_threshold', 1.5, ''), ('score_threshold', 'high', ''), ('max_detections', 0, ''),
    ('model', '/no/such.onnx', "model '/no/such.onnx' is no file"),
    ('classes', ['dog'], "class 'dog' is unknown to this model, which knows person"),
    ('providers', ['cuda'], ''), ('threads', 3, '')])
def test_wrong_live_changes_are_refused_and_detections_go_on(hog, ears, speak, name, value,
                                                            words):
    result = ears.set('detector', name, value)
    assert not result.successful and result.reason and words in result.reason
    speak(plain)


def test_thresholds_and_classes_change_live(hog, ears, speak):
    for name, value in (('score_threshold', 0.6), ('classes', ['person']), ('classes', ['']),
                        ('score_threshold', 0.4)):
        assert ears.set('detector', name, value).successful
    speak(plain)


# ---- a network that finds people

@pytest.fixture(scope='module')
def yolox(ears):
    """Run the detector node with yolox_nano, under another name and a remapped image topic."""
    if not YOLOX.exists() or not VIDEO.exists():
        pytest.skip('shared/models/yolox_nano.onnx or the video is not there')
    names = ['-r', '__ns:=/net', '-r', 'image_raw:=/other/image']
    with running('detector_node', '--ros-args', *names,
                 model=str(YOLOX), score_threshold=0.5, threads=1) as program:
        program.says(' class')
        with ears.speaking(Image, '/other/image', qos.SENSOR) as publisher:
            with ears.hearing(Detection2DArray, '/net/detections', qos.RESULT) as heard:
                yield asker(ears, publisher, heard)


@pytest.fixture(scope='module')
def person() -> np.ndarray:
    """Frame 300 of the video, in which somebody is seen."""
    capture = cv2.VideoCapture(str(VIDEO))
    for _ in range(300):
        capture.grab()
    ok, bgr = capture.read()
    assert ok
    return bgr


def boxes(message: Detection2DArray):
    return [(d.bbox.center.position.x, d.bbox.center.position.y, d.bbox.size_x, d.bbox.size_y)
            for d in message.detections if d.results[0].hypothesis.class_id == 'person']


def test_a_person_is_found_in_pixels_of_the_camera(yolox, person):
    box, = boxes(yolox(lambda stamp_ns: image_message(person, stamp_ns)))
    x, y, width, height = box
    assert 0 <= x - width / 2 and x + width / 2 <= 768
    assert 0 <= y - height / 2 and y + height / 2 <= 432
    assert height > 1.5 * width > 60, 'somebody who stands is higher than wide'


def test_boxes_grow_with_the_image(yolox, person):
    small, = boxes(yolox(lambda stamp_ns: image_message(person, stamp_ns)))
    large = cv2.resize(person, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    box, = boxes(yolox(lambda stamp_ns: image_message(large, stamp_ns)))
    assert np.allclose(box, np.array(small) * 2, atol=25)


def test_live_classes_hide_the_others(yolox, person, ears):
    assert ears.set('net/detector', 'classes', ['dog']).successful
    try:
        assert not yolox(lambda stamp_ns: image_message(person, stamp_ns)).detections
    finally:
        assert ears.set('net/detector', 'classes', ['']).successful


def test_a_model_is_exchanged_while_running(yolox, person, ears):
    assert ears.one(LabelInfo, '/net/label_info', qos.LATCHED).class_map[0].class_name == 'person'
    assert ears.set('net/detector', 'model', 'hog').successful
    ears.one(LabelInfo, '/net/label_info', qos.LATCHED, lambda info: len(info.class_map) == 1)
    yolox(lambda stamp_ns: image_message(person, stamp_ns))
    assert ears.health('/net/detector')['model'] == 'hog'
