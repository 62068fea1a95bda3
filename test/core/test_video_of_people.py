"""
The two third-party detectors on a real video: six people, one after the other.

The stretches are those that the README of the shared data lists, seen by eye.
"""

import cv2
from edge_vision.core.detector import load_detector, Options
import pytest

VIDEO = 'data/video/one_by_one_person.mp4'
SOMEBODY = [(70, 190), (230, 440), (510, 690), (750, 860), (940, 1185), (1240, 1350)]
NOBODY = [(0, 50), (205, 220), (455, 500), (705, 740), (875, 920), (1205, 1230), (1365, 1393)]
STEP = 8  # frames; more often tells no more


def sampled(stretches):
    return [n for first, last in stretches for n in range(first, last + 1, STEP)]


@pytest.fixture(scope='module')
def frames(shared):
    """Frame number to picture, read from start to end, as seeking is not exact."""
    wanted = set(sampled(SOMEBODY) + sampled(NOBODY))
    video, pictures = cv2.VideoCapture(shared(VIDEO)), {}
    for number in range(max(wanted) + 1):
        assert video.grab(), number
        if number in wanted:
            pictures[number] = video.retrieve()[1]
    return pictures


# FastestDet sometimes gives one person two boxes
@pytest.mark.parametrize(('model', 'most'), [
    pytest.param('yolox_nano', 1, id='yolox_nano'),
    pytest.param('FastestDet', 2, id='FastestDet')])
def test_six_people_in_their_frames_and_nobody_between(shared, frames, model, most):
    # at the default threshold of 0.4 both have room: with 0.74 and more they see everybody, and
    # with 0.13 and less somebody where nobody is
    detector = load_detector(shared(f'models/{model}.onnx'),
                             Options(classes=('person',), threads=2))
    people = {number: len(detector.detect(bgr)) for number, bgr in frames.items()}
    assert {n: people[n] for n in sampled(SOMEBODY) if not 1 <= people[n] <= most} == {}
    assert {n: people[n] for n in sampled(NOBODY) if people[n] != 0} == {}
