"""The shipped gesture model: what its card says of it. Needs no torch."""

from __future__ import annotations

import cv2
from edge_vision.core.gesture import load_gesture
import numpy as np
import pytest


@pytest.fixture(scope='module')
def model():
    return load_gesture('gesture', threads=1)


def probabilities(model, file) -> np.ndarray:
    return model.infer(model.prepare(cv2.imread(str(file))))


def test_the_photos_of_its_data_are_told_right(model, shared):
    photos = [(p, p.parent.name) for p in sorted((shared / 'data' / 'gesture').glob('*/*.jpg'))]
    wrong = [p for p, name in photos if model.labels[probabilities(model, p).argmax()] != name]
    assert len(photos) == 94 and wrong == []


def test_people_without_a_thumb_seldom_alarm_it(model, shared):
    photos = sorted((shared / 'data' / 'person' / 'val').glob('*.jpg'))
    thumbs = [i for i, name in enumerate(model.labels) if name.startswith('thumb')]
    alarms = sum(probabilities(model, p)[thumbs].max() > 0.7 for p in photos)
    assert len(photos) == 128 and alarms <= 0.03 * len(photos)
