"""The value that travels, and the names of classes in it."""

from edge_vision.core.detections import Detections
from edge_vision.core.labels import COCO, COCO_91, default_labels, labels_from_metadata
import numpy as np
import pytest


def value(n=3, **changes):
    fields = {'xyxy': np.arange(4 * n, dtype=np.float32).reshape(n, 4),
              'scores': np.linspace(0.9, 0.1, n, dtype=np.float32),
              'class_index': np.arange(n), 'labels': ('a', 'b'), **changes}
    return Detections(**fields)


def test_empty():
    empty = Detections.empty(('a',))
    assert len(empty) == 0 and empty.xyxy.shape == (0, 4) and empty.labels == ('a',)
    assert len(empty.select(np.zeros(0, bool))) == 0


@pytest.mark.parametrize(('changes', 'sentence'), [
    pytest.param({'xyxy': np.zeros((2, 4))}, r'xyxy must be \(3, 4\).*\(2, 4\)', id='rows'),
    pytest.param({'xyxy': np.zeros((3, 5))}, r'xyxy must be \(3, 4\).*\(3, 5\)', id='columns'),
    pytest.param({'class_index': np.zeros(4)}, r'class_index must be \(3,\)', id='classes'),
    pytest.param({'track_ids': np.zeros((3, 1))}, r'track_ids must be \(3,\)', id='tracks')])
def test_wrong_shapes_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        value(**changes)


@pytest.mark.parametrize('index', [np.array([True, False, True]), np.array([0, 2])],
                         ids=['mask', 'rows'])
def test_select(index):
    whole = value(track_ids=np.array([7, 8, 9]))
    part = whole.select(index)
    assert part.track_ids.tolist() == [7, 9] and part.class_index.tolist() == [0, 2]
    np.testing.assert_array_equal(part.xyxy, whole.xyxy[[0, 2]])
    assert len(whole) == 3


def test_a_class_without_a_name_is_named_by_its_number():
    assert [value().name(row) for row in range(3)] == ['a', 'b', 'class_2']
    assert value(1, class_index=np.array([-1])).name(0) == 'class_-1'


@pytest.mark.parametrize(('metadata', 'expected'), [
    pytest.param({}, (), id='none'),
    pytest.param({'labels': '["a", "b"]'}, ('a', 'b'), id='ours'),
    pytest.param({'labels': '[]'}, (), id='ours, empty'),
    pytest.param({'names': "{0: 'a', 1: 'b'}"}, ('a', 'b'), id='Ultralytics'),
    pytest.param({'names': "{1: 'b', 0: 'a'}"}, ('a', 'b'), id='Ultralytics, out of order'),
    pytest.param({'names': "['a', 'b']"}, ('a', 'b'), id='a Python list'),
    pytest.param({'labels': '["a"]', 'names': "['b']"}, ('a',), id='ours first')])
def test_names_in_a_model_file(metadata, expected, caplog):
    assert labels_from_metadata(metadata) == expected
    assert not caplog.records


@pytest.mark.parametrize('metadata', [
    pytest.param({'labels': 'person, dog'}, id='no JSON'),
    pytest.param({'labels': '"person"'}, id='one name, no list'),
    pytest.param({'labels': ''}, id='empty'), pytest.param({'names': '{0: person'}, id='cut off'),
    pytest.param({'names': "{1: 'b'}"}, id='a gap'),
    pytest.param({'names': '__import__("os")'}, id='code')])
def test_names_that_cannot_be_read_are_told_and_left_out(metadata, caplog):
    assert labels_from_metadata(metadata) == ()
    assert [record.levelname for record in caplog.records] == ['WARNING']


@pytest.mark.parametrize(('count', 'expected'), [
    (0, ()), (1, ('object',)), (2, ('class_0', 'class_1')), (80, COCO), (91, COCO_91)])
def test_names_by_number(count, expected):
    assert default_labels(count) == expected and len(expected) == count


# https://github.com/pytorch/vision, torchvision/models/_meta.py
@pytest.mark.parametrize(('index', 'name'), [
    (0, 'background'), (1, 'person'), (11, 'fire hydrant'), (13, 'stop sign'), (18, 'dog'),
    (27, 'backpack'), (67, 'dining table'), (82, 'refrigerator'), (90, 'toothbrush')])
def test_gaps_of_the_coco_numbers(index, name):
    assert COCO_91[index] == name
