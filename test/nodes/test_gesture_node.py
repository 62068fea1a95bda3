"""The gesture node alone, in its own process, over real topics."""

from __future__ import annotations

import os
import threading
import time

from edge_vision.core import onnx_model
from edge_vision.nodes import qos
from geometry_msgs.msg import PointStamped
from gesture_files import coloured, LABELS, save_classifier, save_pointer
import pytest
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support import image_message, running, SHIPPED
from vision_msgs.msg import Classification

SIZE_WH = (320, 240)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Give a folder with small models and files that are none."""
    folder = tmp_path_factory.mktemp('gestures')
    save_classifier(folder / 'first.onnx')
    save_classifier(folder / 'second.onnx', ('rest', 'palm', 'fist'))
    save_pointer(folder / 'pointer.onnx')
    save_classifier(folder / 'in_place.onnx')
    (folder / 'broken.onnx').write_bytes(b'this is no model' * 100)
    return folder


@pytest.fixture(scope='module')
def node(files):
    """Run the node with both models."""
    with running('gesture_node', model=str(files / 'first.onnx'), rate_hz=20.0, stable_s=0.3,
                 fingertip_model=str(files / 'pointer.onnx')) as program:
        program.says('fingertip_model')
        yield program


class Hand:
    """Shows coloured pictures and hears what comes of it."""

    def __init__(self, ears, publisher, **heard):
        self._ears, self._publisher = ears, publisher
        self.gestures, self.events, self.tips = (
            heard[name] for name in ('gestures', 'events', 'tips'))
        self._stamps_ns = iter(range(1_700_000_000_000_000_005, 1_800_000_000_000_000_000,
                                     10**9 + 1))

    def shows(self, colour: str, condition, what: str):
        """Publish pictures of a colour until the condition is true; gives its value."""
        def look():
            message = image_message(coloured(colour, SIZE_WH), next(self._stamps_ns), 'eye')
            self._publisher.publish(message)
            return condition()
        return self._ears.until(look, what)

    def settles(self, colour: str, label: str):
        """
        Show a colour until its event comes; gives the events up to then.

        Without those of a silence: a machine under load may be too slow even for this.
        """
        self.events.clear()
        self.shows(colour, lambda: any(e.data == label for e in self.events), f'event {label}')
        return [event.data for event in self.events if event.data in (label, *LABELS[1:])]

    def is_seen(self, colour: str, label: str):
        """Show a colour until a gesture with its label comes; gives it."""
        self.gestures.clear()
        return self.shows(colour, lambda: next(
            (g for g in self.gestures if g.results[0].class_id == label), None), label)


@pytest.fixture(scope='module')
def hand(node, ears):
    """Give the hand in front of the camera."""
    with ears.speaking(Image, '/image_raw', qos.SENSOR) as publisher, \
            ears.hearing(Classification, '/gesture', qos.RESULT) as gestures, \
            ears.hearing(String, '/gesture/event', qos.EVENT) as events, \
            ears.hearing(PointStamped, '/fingertip', qos.RESULT) as tips:
        yield Hand(ears, publisher, gestures=gestures, events=events, tips=tips)


def test_all_classes_come_best_first_with_the_header_of_the_image(hand):
    for label in LABELS:
        message = hand.is_seen(label, label)
        assert message.header.frame_id == 'eye' and message.header.stamp.sec >= 1_700_000_000
        assert {r.class_id for r in message.results} == set(LABELS)
        scores = [r.score for r in message.results]
        assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1)


def test_the_fingertip_is_in_pixels_and_belongs_to_the_same_frame(hand):
    seen = hand.is_seen('none', 'none')
    def tip():
        return next((t for t in hand.tips if t.header == seen.header), None)
    point = hand.shows('none', tip, 'the fingertip of that frame').point
    assert (point.x, point.y) == pytest.approx((320 * 250 / 255, 240 * 20 / 255), abs=0.1)
    assert point.z == 0


def test_events_tell_what_a_sequence_of_pictures_settles_on(hand):
    hand.settles('thumb_up', 'thumb_up')
    for colour, label in (('none', 'none'), ('thumb_down', 'thumb_down'),
                          ('thumb_up', 'thumb_up'), ('nothing sure', 'none')):
        assert hand.settles(colour, label) == [label]


def test_a_gesture_that_stays_is_told_once(hand):
    hand.settles('thumb_down', 'thumb_down')
    hand.events.clear()
    hand.gestures.clear()
    hand.shows('thumb_down', lambda: len(hand.gestures) > 10, 'ten more looks')
    # after a silence, which load may cause, it is told again
    assert not hand.events or hand.events[0].data == 'none'


def test_when_pictures_end_the_gesture_does_too(hand, ears):
    hand.settles('thumb_up', 'thumb_up')
    ears.until(lambda: hand.events[-1].data == 'none', 'the end of the gesture')
    assert ears.health('/gesture', lambda s: s['settled'] == 'none')['gesture'] == ''


def test_pause_gives_the_subscription_up_and_ends_the_gesture(hand, ears):
    hand.settles('thumb_up', 'thumb_up')
    assert ears.enable('gesture', False).message == 'gesture is paused'
    ears.until(lambda: hand.events[-1].data == 'none', 'the end of the gesture')
    ears.until(lambda: ears.node.count_subscribers('/image_raw') == 0, 'the subscription ends')
    assert ears.health('/gesture', lambda s: s['enabled'] == 'false')['message'] == 'paused'
    ears.enable('gesture', True)
    hand.is_seen('thumb_up', 'thumb_up')


def test_diagnostics_have_the_figures_of_the_contract(hand, ears, files):
    hand.settles('thumb_up', 'thumb_up')
    def fed(status):
        hand.is_seen('thumb_up', 'thumb_up')
        return float(status['fps']) > 0 and 'latency_ms_p95' in status
    status = ears.health('/gesture', fed)
    assert (status['level'], status['message']) == ('ok', 'on cpu')
    assert status['model'] == str(files / 'first.onnx')
    assert status['fingertip_model'] == str(files / 'pointer.onnx')
    assert (status['gesture'], status['settled']) == ('thumb_up', 'thumb_up')
    for stage in ('preprocess', 'inference', 'fingertip'):
        assert float(status[f'{stage}_ms']) >= 0
    assert {'dropped', 'errors', 'provider', 'latency_ms_p50'} <= set(status)


def test_the_rate_is_kept_and_changes_live(hand, ears):
    assert ears.set('gesture', 'rate_hz', 2.0).successful
    try:
        hand.is_seen('none', 'none')
        hand.gestures.clear()
        start_s = time.monotonic()
        hand.shows('none', lambda: len(hand.gestures) >= 4, 'four looks')
        assert time.monotonic() - start_s > 1.0
    finally:
        assert ears.set('gesture', 'rate_hz', 20.0).successful


def test_a_bad_image_is_told_and_the_node_goes_on(node, hand, ears):
    bad = image_message(coloured('none'))
    bad.step = 3
    with ears.speaking(Image, '/image_raw', qos.SENSOR) as publisher:
        def told(status):
            publisher.publish(bad)
            return int(status['errors']) > 0
        ears.health('/gesture', told, 'the error is counted')
    hand.is_seen('thumb_up', 'thumb_up')
    assert 'step is 3' in node.stderr and 'Traceback' not in node.stderr


# ---- models

def test_another_model_is_loaded_while_the_node_runs(hand, ears, files):
    hand.settles('thumb_up', 'thumb_up')
    hand.events.clear()
    assert ears.set('gesture', 'model', str(files / 'second.onnx')).successful
    try:
        hand.is_seen('thumb_down', 'fist')
        assert hand.settles('thumb_up', 'palm')[-1] == 'palm'
        assert ears.health('/gesture')['model'] == str(files / 'second.onnx')
    finally:
        assert ears.set('gesture', 'model', str(files / 'first.onnx')).successful
    hand.is_seen('thumb_up', 'thumb_up')


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('model', '/no/such.onnx', "'/no/such.onnx' is no file"),
    ('model', '{files}/broken.onnx', 'broken.onnx is no ONNX model'),
    ('model', str(SHIPPED), 'is no gesture model: its input is image uint8'),
    ('model', '{files}/pointer.onnx', 'gives points (thumb, index), where'),
    ('fingertip_model', '{files}/first.onnx', 'gives probabilities'),
    ('score_threshold', 1.5, ''), ('rate_hz', 0.0, ''), ('stable_s', -1.0, ''),
    ('threads', 2, '')])
def test_wrong_live_changes_are_refused_and_gestures_go_on(hand, ears, files, name, value, words):
    if isinstance(value, str):
        value = value.format(files=files)
    if value == str(SHIPPED) and not SHIPPED.exists():
        pytest.skip('person.onnx is not there')
    result = ears.set('gesture', name, value)
    assert not result.successful and result.reason and words in result.reason
    assert '\n' not in result.reason
    hand.is_seen('thumb_up', 'thumb_up')


def test_either_model_can_be_left_out(hand, ears, files):
    for name in ('model', 'fingertip_model'):
        assert ears.set('gesture', name, '').successful
    try:
        status = ears.health('/gesture', lambda s: s['level'] == 'warn' and not s['model'])
        assert 'empty: there is nothing to look with' in status['message']
        assert ears.set('gesture', 'fingertip_model', str(files / 'pointer.onnx')).successful
        hand.tips.clear()
        hand.shows('none', lambda: len(hand.tips) > 1, 'fingertips alone')
    finally:
        assert ears.set('gesture', 'model', str(files / 'first.onnx')).successful
    hand.is_seen('thumb_up', 'thumb_up')


def replace(path, save, *args):
    """Write a model beside its place and move it there, as a careful program does."""
    save(f'{path}.new', *args)
    os.replace(f'{path}.new', path)


def test_a_file_that_is_replaced_in_its_place_is_loaded(node, hand, ears, files):
    path = files / 'in_place.onnx'
    assert ears.set('gesture', 'model', str(path)).successful
    try:
        hand.is_seen('thumb_up', 'thumb_up')
        replace(path, save_classifier, ('x', 'new', 'y'))
        hand.is_seen('thumb_up', 'new')
        path.write_bytes(b'broken')
        status = ears.health('/gesture', lambda s: 'is no ONNX model' in s['message'])
        assert status['level'] == 'warn'
        hand.is_seen('thumb_up', 'new')
        result = ears.set('gesture', 'model', str(path))
        assert not result.successful and 'is no ONNX model' in result.reason
        replace(path, save_classifier, ('x', 'newer', 'y'))
        assert ears.set('gesture', 'model', str(path)).successful
        hand.is_seen('thumb_up', 'newer')
    finally:
        assert ears.set('gesture', 'model', str(files / 'first.onnx')).successful
    assert node.stderr.count('the model of before stays') == 1


def test_a_signal_ends_it_in_order(files):
    with running('gesture_node', model=str(files / 'first.onnx'), fingertip_model='') as ended:
        ended.says('first.onnx')
        assert ended.stop() == 0
    assert 'Traceback' not in ended.output and 'rror' not in ended.stderr


@pytest.fixture
def own_node(tmp_path, monkeypatch):
    """Run a node in this process, with the shipped models and no files of them."""
    from edge_vision.nodes.gesture_node import GestureNode
    import rclpy
    monkeypatch.setattr(onnx_model, 'MODELS_FOLDER', tmp_path)
    monkeypatch.setenv('EDGE_VISION_MODELS', str(tmp_path / 'own'))
    rclpy.init(args=['--ros-args', '-r', '__ns:=/own', '-p', 'rate_hz:=20.0'])
    node = GestureNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    node.close()
    executor.shutdown()
    thread.join(5)
    node.destroy_node()
    rclpy.shutdown()


def test_a_shipped_model_that_is_missing_is_told_and_taken_when_it_comes(own_node, ears,
                                                                         tmp_path):
    status = ears.health('/own/gesture', lambda s: s['level'] == 'warn')
    for name in ('gesture', 'fingertip'):
        assert f"the shipped model '{name}' is not there" in status['message']
    assert not ears.set('own/gesture', 'model', 'gesture').successful
    save_classifier(tmp_path / 'gesture.onnx')
    with ears.speaking(Image, '/own/image_raw', qos.SENSOR) as publisher, \
            ears.hearing(Classification, '/own/gesture', qos.RESULT) as gestures:
        def seen():
            publisher.publish(image_message(coloured('thumb_up')))
            return gestures
        ears.until(seen, 'gestures of the model that came')
    status = ears.health('/own/gesture', lambda s: 'gesture.onnx' in s['model'])
    assert "'fingertip' is not there" in status['message']
    assert "'gesture'" not in status['message']
