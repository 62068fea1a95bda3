"""Detections, labels, calibrations and small results to messages and back."""

from __future__ import annotations

from edge_vision.core.calibration import Calibration
from edge_vision.core.detections import Detections, NO_TRACK
from edge_vision.core.found import Found
from edge_vision.core.gesture import Fingertip, Gestures
from edge_vision.nodes import messages
from edge_vision.nodes.stamps import stamp_ns_of
from geometry_msgs.msg import Point, PointStamped
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

STAMP_NS = 1_700_000_123_000_000_007


def detections(rows, labels=('person', 'dog'), tracks=None) -> Detections:
    """Rows of x0, y0, x1, y1, score, class."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), labels,
                      None if tracks is None else np.array(tracks, np.int64))


TABLES = [
    ('none', detections([])),
    ('one', detections([(10, 20, 110, 220, 0.5, 1)])),
    ('two classes', detections([(0, 0, 1, 1, 1, 0), (0.5, 1.5, 639.5, 479.5, 0.25, 1)])),
    ('tracked', detections([(1, 2, 3, 4, 0.75, 0), (5, 6, 7, 8, 0.5, 0)], tracks=[12, 7])),
    ('no labels', detections([(1, 2, 3, 4, 0.5, 3)], labels=())),
]


@pytest.mark.parametrize('found', [t[1] for t in TABLES], ids=[t[0] for t in TABLES])
def test_detections_go_over_the_wire_and_back(found):
    message = messages.found_to_message(Found(STAMP_NS, 'eye', found))
    wire = deserialize_message(serialize_message(message), Detection2DArray)
    back = messages.message_to_found(wire)
    assert (back.stamp_ns, back.frame_id) == (STAMP_NS, 'eye')
    assert np.allclose(back.detections.xyxy, found.xyxy, atol=1e-3)
    assert np.allclose(back.detections.scores, found.scores)
    assert back.detections.xyxy.dtype == np.float32
    rows = range(len(found))
    assert [back.detections.name(i) for i in rows] == [found.name(i) for i in rows]
    if found.track_ids is None:
        assert back.detections.track_ids is None
    else:
        assert back.detections.track_ids.tolist() == found.track_ids.tolist()


def test_the_fields_of_a_detection():
    found = detections([(10, 20, 110, 220, 0.5, 1)], tracks=[42])
    message = messages.found_to_message(Found(STAMP_NS, 'eye', found))
    one, = message.detections
    assert one.header == message.header and one.id == '42'
    assert (one.bbox.center.position.x, one.bbox.center.position.y) == (60, 120)
    assert (one.bbox.size_x, one.bbox.size_y, one.bbox.center.theta) == (100, 200, 0)
    result, = one.results
    assert (result.hypothesis.class_id, result.hypothesis.score) == ('dog', 0.5)


def foreign(*ids, results=True, score=0.5, x=5.0) -> Detection2DArray:
    """Give detections as another program may publish them."""
    message = Detection2DArray()
    for number in ids:
        one = Detection2D(id=number)
        one.bbox.center.position.x = x
        if results:
            for class_id, value in (('cat', score / 2), ('dog', score)):
                hypothesis = ObjectHypothesis(class_id=class_id, score=value)
                one.results.append(ObjectHypothesisWithPose(hypothesis=hypothesis))
        message.detections.append(one)
    return message


def test_the_best_of_several_results_counts():
    found = messages.message_to_found(foreign('')).detections
    assert (found.name(0), found.scores[0]) == ('dog', 0.5)


def test_a_detection_without_results_is_unknown():
    found = messages.message_to_found(foreign('', results=False)).detections
    assert (found.name(0), found.scores[0]) == ('unknown', 0)


@pytest.mark.parametrize('ids', [
    ('abc',), ('1', 'b'), ('-1',), ('3f2c',), ('\u00b2',), ('9' * 30,), ('9' * 5000,)])
def test_ids_that_are_no_track_numbers_are_left_out(ids):
    assert messages.message_to_found(foreign(*ids)).detections.track_ids is None


@pytest.mark.parametrize('change', [{'x': float('nan')}, {'x': float('inf')}, {'x': 1e300},
                                    {'score': float('nan')}, {'score': float('inf')}])
def test_boxes_and_scores_that_are_no_numbers_are_refused(change):
    with pytest.raises(ValueError, match='finite') as caught:
        messages.message_to_found(foreign('1', **change))
    assert '\n' not in str(caught.value)


def test_labels():
    info = messages.labels_to_message(('person', 'dog'), 0.4, STAMP_NS)
    wire = deserialize_message(serialize_message(info), LabelInfo)
    assert [(c.class_id, c.class_name) for c in wire.class_map] == [(0, 'person'), (1, 'dog')]
    assert wire.threshold == pytest.approx(0.4)


def test_calibration():
    k = (500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0)
    calibration = Calibration(640, 480, 'plumb_bob', (0.1, 0.2, 0.0, 0.0, 0.0), k,
                              (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (*k[:3], 0.0) * 3)
    info = messages.calibration_to_message(calibration, STAMP_NS, 'eye')
    assert (info.width, info.height, info.header.frame_id) == (640, 480, 'eye')
    assert info.distortion_model == 'plumb_bob' and list(info.d) == [0.1, 0.2, 0, 0, 0]
    assert tuple(info.k) == k and len(info.p) == 12


@pytest.mark.parametrize('scores, best', [
    ((), ('', 0.0)), ((0.25,), ('c0', 0.25)), ((0.1, 0.7, 0.2), ('c1', 0.7))])
def test_best_class(scores, best):
    message = Classification(results=[ObjectHypothesis(class_id=f'c{i}', score=s)
                                      for i, s in enumerate(scores)])
    gestures = messages.message_to_gestures(message)
    assert gestures.best == best and len(gestures.labels) == len(scores)


def test_a_gesture_without_a_finite_score_is_refused():
    message = Classification(results=[ObjectHypothesis(class_id='up', score=float('nan'))])
    with pytest.raises(ValueError, match='finite'):
        messages.message_to_gestures(message)


def test_gestures_there_and_back():
    gestures = Gestures(STAMP_NS, 'eye', ('thumb_up', 'none', 'thumb_down'), (0.5, 0.375, 0.125))
    wire = deserialize_message(serialize_message(messages.gestures_to_message(gestures)),
                               Classification)
    assert [(r.class_id, r.score) for r in wire.results] == [
        ('thumb_up', 0.5), ('none', 0.375), ('thumb_down', 0.125)]
    assert (wire.header.frame_id, stamp_ns_of(wire.header)) == ('eye', STAMP_NS)
    assert messages.message_to_gestures(wire) == gestures


def test_a_fingertip_there_and_back():
    tip = Fingertip(STAMP_NS, 'eye', (12.5, 7.25), 0.5)
    wire = deserialize_message(serialize_message(messages.fingertip_to_message(tip)),
                               PointStamped)
    assert (wire.point.x, wire.point.y, wire.point.z) == (12.5, 7.25, 0.5)
    assert messages.message_to_fingertip(wire) == tip


def test_text():
    assert messages.text_of(String(data='hello')) == 'hello'


def test_a_point_that_is_nowhere_is_refused():
    with pytest.raises(ValueError, match='finite'):
        messages.message_to_fingertip(PointStamped(point=Point(x=float('inf'))))


def test_a_box_without_a_track_yet_stands_beside_those_that_have_one():
    found = detections([(1, 2, 3, 4, 0.75, 0), (5, 6, 7, 8, 0.5, 0)], tracks=[12, NO_TRACK])
    message = messages.found_to_message(Found(0, '', found))
    assert [one.id for one in message.detections] == ['12', '']
    back = messages.message_to_found(message).detections
    assert [back.track(0), back.track(1)] == [12, None]
