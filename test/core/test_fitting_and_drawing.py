"""Letterbox and back, drawing on copies, JPEG of the size that is asked for."""

import cv2
from edge_vision.core.detections import Detections
from edge_vision.core.draw import colour_of, draw, Extras, PALETTE
from edge_vision.core.jpeg import encode, Variant
from edge_vision.core.letterbox import boxes_to_image, letterbox, PADDING, stretch
import numpy as np
import pytest

SHAPES = pytest.mark.parametrize('size_wh', [
    pytest.param((640, 480), id='landscape'), pytest.param((480, 640), id='portrait'),
    pytest.param((416, 416), id='as the network'), pytest.param((1920, 1080), id='large'),
    pytest.param((33, 17), id='smaller than the network'), pytest.param((641, 359), id='odd'),
    pytest.param((1, 50), id='one column'), pytest.param((3000, 1), id='one row'),
    pytest.param((1, 1), id='one pixel')])


def noise(size_wh, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)


@SHAPES
@pytest.mark.parametrize('network_wh', [(416, 416), (320, 192)], ids=['square', 'wide'])
def test_letterbox_fills_from_the_top_left(size_wh, network_wh):
    bgr = noise(size_wh)
    before = bgr.copy()
    padded, scale = letterbox(bgr, network_wh)
    assert padded.shape == (network_wh[1], network_wh[0], 3) and padded.dtype == np.uint8
    assert padded.flags['C_CONTIGUOUS']
    width, height = (max(1, round(side * scale)) for side in size_wh)
    assert width == network_wh[0] or height == network_wh[1]
    np.testing.assert_array_equal(padded[:height, :width], cv2.resize(bgr, (width, height)))
    assert (padded[height:] == PADDING).all() and (padded[:, width:] == PADDING).all()
    np.testing.assert_array_equal(bgr, before)


@SHAPES
def test_boxes_come_back_within_half_a_pixel(size_wh):
    _, scale = letterbox(noise(size_wh), (416, 416))
    xyxy = np.sort(np.random.default_rng(2).uniform(0, 1, (50, 2, 2)), axis=1).reshape(50, 4)
    xyxy = (xyxy * np.array(size_wh * 2)).astype(np.float32)
    back = boxes_to_image(xyxy * scale, (scale, scale), size_wh)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, xyxy, atol=0.5)


def test_no_boxes_come_back_as_no_boxes():
    assert boxes_to_image(np.zeros((0, 4), np.float32), (1, 1), (640, 480)).shape == (0, 4)


def test_boxes_are_clipped_to_the_image():
    boxes = boxes_to_image(np.array([[-10, -10, 9999, 9999]], np.float32), (0.5, 0.25), (640, 480))
    assert boxes.tolist() == [[0, 0, 640, 480]]


@SHAPES
def test_stretch_fills_the_whole_input(size_wh):
    bgr = noise(size_wh)
    before = bgr.copy()
    fitted = stretch(bgr, (224, 200))
    assert fitted.shape == (200, 224, 3) and fitted.dtype == np.uint8
    np.testing.assert_array_equal(bgr, before)


def test_stretch_averages_what_it_shrinks():
    bgr = noise((40 * 3, 30 * 2))
    blocks = bgr.reshape(30, 2, 40, 3, 3).astype(float).mean((1, 3))
    assert np.abs(stretch(bgr, (40, 30)) - blocks).max() <= 1


def test_stretch_interpolates_what_it_enlarges_in_one_side_or_both():
    ramp = np.tile(np.arange(0, 200, 10, np.uint8)[:, None, None], (1, 9, 3))
    for size_wh in ((18, 40), (5, 40)):
        steps = np.diff(stretch(ramp, size_wh)[2:-2, 2, 0].astype(int))
        assert set(steps) == {5}


def test_stretch_leaves_a_picture_of_the_size_as_it_is():
    bgr = noise((224, 224))
    np.testing.assert_array_equal(stretch(bgr, (224, 224)), bgr)


def boxes(*rows, labels=('person', 'dog'), track_ids=None):
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), labels, track_ids)


@pytest.mark.parametrize('detections', [None, Detections.empty(('person',))],
                         ids=['nobody looked', 'nothing found'])
def test_nothing_to_draw_is_a_copy(detections):
    bgr = noise((64, 48))
    picture = draw(bgr, detections)
    np.testing.assert_array_equal(picture, bgr)
    assert not np.shares_memory(picture, bgr)


def test_the_picture_itself_is_left_alone():
    bgr = noise((320, 240))
    bgr.flags.writeable = False  # as frames are that came from another thread
    picture = draw(bgr, boxes((20, 80, 200, 200, 0.9, 0)), Extras(30.0, 'thumb_up', (99, 99), 'x'))
    assert (picture != bgr).any() and picture.flags.writeable


def test_edges_of_the_box_have_the_colour_of_the_class():
    picture = draw(np.zeros((240, 320, 3), np.uint8), boxes((50, 100, 150, 200, 0.9, 1)))
    for x, y in ((50, 150), (150, 150), (100, 200)):
        assert tuple(picture[y, x]) == colour_of(1)
    assert not picture[140:160, 90:110].any()  # the inside stays


def test_a_track_keeps_its_colour_whatever_the_class():
    plain = np.zeros((240, 320, 3), np.uint8)
    for number in (0, 1):
        found = boxes((50, 100, 150, 200, 0.9, number), track_ids=np.array([5]))
        assert tuple(draw(plain, found)[150, 50]) == colour_of(5)
    assert len({colour_of(number) for number in range(7)}) == len(PALETTE) == 7
    assert colour_of(7) == colour_of(0)


@pytest.mark.parametrize('size_wh', [(320, 240), (48, 64), (1, 1), (5, 400), (1920, 1080)])
@pytest.mark.parametrize('found', [
    pytest.param(boxes((-40, -30, 20, 20, 0.9, 0)), id='over the top left'),
    pytest.param(boxes((300, 200, 900, 700, 0.9, 0)), id='over the foot'),
    pytest.param(boxes((5000, 5000, 6000, 6000, 0.9, 0)), id='outside'),
    pytest.param(boxes((10, 10, 10, 10, 0.9, 0)), id='without an area'),
    pytest.param(boxes((0, 0, 9, 9, 1.0, 9), labels=()), id='a class without a name'),
    pytest.param(boxes((0, 0, 9, 9, 0.5, 0), labels=('Fußgänger 行人 ' * 9,)), id='other letters'),
])
def test_whatever_is_drawn_the_size_stays(size_wh, found):
    extras = Extras(29.97, 'pouce levé', (-5.0, 1e4), 'a note that is longer than the picture')
    bgr = noise(size_wh)
    assert draw(bgr, found, extras).shape == bgr.shape


@pytest.mark.parametrize('extras', [
    pytest.param(Extras(rate_hz=30.0), id='rate'),
    pytest.param(Extras(gesture='up'), id='gesture'),
    pytest.param(Extras(note='paused'), id='note'),
    pytest.param(Extras(fingertip_xy=(160.0, 120.0)), id='fingertip')])
def test_each_extra_shows(extras):
    bgr = np.full((240, 320, 3), 90, np.uint8)
    assert (draw(bgr, None, extras) != bgr).any()


@pytest.mark.parametrize('xy', [(160, 120), (319, 120), (160, 239), (0, 0), (319, 239)])
def test_the_fingertip_itself_stays_to_be_seen(xy):
    bgr = noise((320, 240))
    drawn = draw(bgr, None, Extras(fingertip_xy=xy))
    assert (drawn[xy[1], xy[0]] == bgr[xy[1], xy[0]]).all()
    touched = np.argwhere((drawn != bgr).any(2))[:, ::-1]
    assert np.abs(touched - xy).max(1).min() <= 10, 'the mark is around the point'


def test_the_bar_of_a_gesture_is_as_long_as_its_score():
    bgr = np.full((240, 320, 3), 90, np.uint8)

    def bar(score):
        drawn = draw(bgr, None, Extras(gesture='up', gesture_score=score))
        return int((drawn[-2] == PALETTE[0]).all(1).sum())
    assert bar(0.0) < bar(0.25) < bar(1.0) == bar(7.0)
    assert bar(0.75) == pytest.approx(3 * bar(0.25), abs=3)  # texts of one width


def test_all_notes_at_once_do_not_cover_each_other():
    bgr = np.full((480, 640, 3), 90, np.uint8)
    rows = [np.flatnonzero((draw(bgr, None, extras) != bgr).any((1, 2))) for extras in (
        Extras(30.0), Extras(30.0, 'thumb_up'), Extras(30.0, 'thumb_up', note='paused'))]
    assert len(rows[0]) < len(rows[1]) < len(rows[2])


@pytest.mark.parametrize(('variant', 'expected_wh'), [
    pytest.param(Variant(), (64, 48), id='as it is'),
    pytest.param(Variant(64, 48), (64, 48), id='the same size'),
    pytest.param(Variant(width=32), (32, 24), id='width: the aspect stays'),
    pytest.param(Variant(height=96), (128, 96), id='height: the aspect stays'),
    pytest.param(Variant(100, 20), (100, 20), id='both'),
    pytest.param(Variant(width=1), (1, 1), id='one pixel')])
def test_jpeg_has_the_size_that_is_asked_for(variant, expected_wh):
    bgr = noise((64, 48))
    before = bgr.copy()
    jpeg = encode(bgr, variant)
    assert isinstance(jpeg, bytes) and jpeg[:2] == b'\xff\xd8' and jpeg[-2:] == b'\xff\xd9'
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1::-1] == expected_wh
    np.testing.assert_array_equal(bgr, before)


def test_jpeg_shows_the_picture():
    bgr = cv2.GaussianBlur(noise((64, 48)), (0, 0), 6)
    picture = cv2.imdecode(np.frombuffer(encode(bgr, Variant(quality=95)), np.uint8), 1)
    assert np.abs(picture.astype(int) - bgr).mean() < 3


def test_quality_costs_bytes():
    bgr = noise((320, 240))
    sizes = [len(encode(bgr, Variant(quality=quality))) for quality in (10, 50, 80, 100)]
    assert sizes == sorted(sizes)


def test_an_image_without_a_size_gives_no_jpeg():
    with pytest.raises((ValueError, cv2.error)):
        encode(np.zeros((0, 0, 3), np.uint8))
