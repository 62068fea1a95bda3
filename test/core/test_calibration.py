"""Calibration files as camera_calibration and camera_info_manager write them."""

from pathlib import Path

from edge_vision.core.calibration import Calibration, load_calibration, scale_calibration
from edge_vision.core.errors import UserError
import numpy as np
import pytest

# what camera_calibration writes, numbers and all
WRITTEN = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [605.8, 0.  , 318.5,   0. , 606.1, 241.25,   0. ,   0. ,   1. ]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.001, -0.002, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [600, 0, 318, 0, 0, 601, 241, 0, 0, 0, 1, 0]
"""
EXPECTED = Calibration(
    640, 480, 'plumb_bob', (0.1, -0.2, 0.001, -0.002, 0.0),
    (605.8, 0, 318.5, 0, 606.1, 241.25, 0, 0, 1), (1, 0, 0, 0, 1, 0, 0, 0, 1),
    (600, 0, 318, 0, 0, 601, 241, 0, 0, 0, 1, 0))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'my camera.yaml'
    path.write_text(WRITTEN)
    return path


@pytest.mark.parametrize('url_of', [
    pytest.param(str, id='path'), pytest.param(Path.as_uri, id='file URL, %20 for the space'),
    pytest.param(lambda path: f'file://{path}', id='file URL, the space as it is')])
def test_file_as_camera_calibration_writes_it(file, url_of):
    assert load_calibration(url_of(file)) == EXPECTED


def test_path_from_home(file, monkeypatch):
    monkeypatch.setenv('HOME', str(file.parent))
    assert load_calibration(f'~/{file.name}') == EXPECTED


def test_a_file_without_a_model_has_the_usual_one(file):
    file.write_text(WRITTEN.replace('distortion_model: plumb_bob\n', ''))
    assert load_calibration(str(file)).distortion_model == 'plumb_bob'


@pytest.mark.parametrize(('text', 'sentence'), [
    pytest.param('', 'is no camera calibration', id='empty'),
    pytest.param('just words', 'is no camera calibration', id='no YAML of fields'),
    pytest.param('- 1\n- 2\n', 'is no camera calibration', id='a list'),
    pytest.param('a: [1, 2', 'is no camera calibration', id='broken YAML'),
    pytest.param('a: !!python/object:os.system x', 'is no camera calibration', id='code'),
    pytest.param('\x00\x01', 'is no camera calibration', id='a binary file'),
    pytest.param(WRITTEN.replace('camera_matrix', 'matrix'), "'camera_matrix'", id='no matrix'),
    pytest.param(WRITTEN.replace('image_width: 640', 'image_width: wide'), 'wide', id='no number'),
    pytest.param(WRITTEN.replace('image_width: 640', 'image_width: 0'), 'above 0', id='no width'),
    pytest.param(WRITTEN.replace('image_height: 480', 'image_height: 0'), 'above 0',
                 id='no height'),
    pytest.param(WRITTEN.replace('[605.8, ', '['), 'camera_matrix has 8 numbers instead of 9',
                 id='a number is missing'),
    pytest.param(WRITTEN.replace('[600, ', '[six, '), 'six', id='a word in a matrix'),
    pytest.param(WRITTEN.replace('data: [0.1', 'date: [0.1'), "'data'", id='no data')])
def test_a_broken_file_ends_in_one_sentence(file, text, sentence):
    file.write_text(text)
    with pytest.raises(UserError, match=sentence) as caught:
        load_calibration(str(file))
    assert '\n' not in str(caught.value)
    assert 'a YAML file as camera_calibration writes it would do' in str(caught.value)


@pytest.mark.parametrize('name', ['', 'missing.yaml', '.', 'package://robot/camera.yaml'])
def test_a_missing_file_ends_in_one_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r'cannot be read: .*would do'):
        load_calibration(name)


def test_the_same_size_needs_no_scaling():
    assert scale_calibration(EXPECTED, 640, 480) == EXPECTED


def test_scaling_moves_points_with_the_picture():
    half = scale_calibration(EXPECTED, 320, 120)
    point = (0.3, -0.2, 2.0)  # metres in front of the camera

    def pixel(row_length, matrix):
        rows = np.array(matrix).reshape(3, row_length)
        x, y, w = rows @ (*point, 1.0)[:row_length]
        return x / w, y / w
    for row_length, field in ((3, 'k'), (4, 'p')):
        x, y = pixel(row_length, getattr(EXPECTED, field))
        assert pixel(row_length, getattr(half, field)) == pytest.approx((x / 2, y / 4))
    assert (half.width, half.height) == (320, 120)
    assert half.d == EXPECTED.d and half.r == EXPECTED.r  # of angles, not of pixels
