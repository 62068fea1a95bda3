"""The detector node numbers what it finds, over real topics."""

from __future__ import annotations

import threading
import time

from edge_vision.core.sources import parse_source, Settings
from edge_vision.nodes import qos
import pytest
from sensor_msgs.msg import Image
from support import image_message, running, YOLOX
from vision_msgs.msg import Detection2DArray

pytestmark = pytest.mark.skipif(not YOLOX.exists(), reason='yolox_nano.onnx is not here')


@pytest.fixture(scope='module')
def portrait():
    """Give the picture of somebody."""
    source = parse_source('demo:', Settings())
    source.open(threading.Event())
    return source.read().bgr


@pytest.fixture(scope='module')
def ask(ears, portrait):
    """Give a function that shows the picture for some frames and gives the ids of each answer."""
    with running('detector_node', model=str(YOLOX), classes=['person'], threads=1) as program:
        program.says(' class')
        with ears.speaking(Image, '/image_raw', qos.SENSOR) as images:
            with ears.hearing(Detection2DArray, '/detections', qos.RESULT) as heard:
                def show(frames: int):
                    heard.clear()

                    def enough():
                        images.publish(image_message(portrait, time.time_ns()))
                        ears.serve(0.1)
                        return len(heard) >= frames
                    ears.until(enough, f'{frames} answers')
                    return [[one.id for one in message.detections] for message in heard]
                yield show


def test_the_number_is_given_from_the_third_frame_on(ask):
    answers = ask(8)
    assert all(len(ids) == 1 for ids in answers)
    assert answers[0] == [''] and answers[-3:] == [['1']] * 3


def test_tracking_is_turned_off_and_on_live(ears, ask):
    assert ears.set('detector', 'track', False).successful
    assert ask(5)[-1] == ['']
    assert ears.set('detector', 'track', True).successful
    number, = ask(8)[-1]
    assert number.isdecimal()


def test_what_is_published_keeps_to_the_score_threshold(ears, ask):
    """The tracker sees weak boxes; nobody else does."""
    assert ears.set('detector', 'score_threshold', 0.99).successful
    assert ask(4)[-1] == []
    assert ears.set('detector', 'score_threshold', 0.4).successful
    assert len(ask(6)[-1]) == 1


def test_the_cost_of_tracking_is_on_diagnostics(ears, ask):
    ask(3)
    assert float(ears.health('/detector', lambda s: 'track_ms' in s)['track_ms']) < 5
