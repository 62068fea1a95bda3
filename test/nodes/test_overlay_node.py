"""The overlay node alone, in its own process: the test is its camera and its detector."""

from __future__ import annotations

from contextlib import contextmanager
import itertools
from urllib.request import urlopen

from edge_vision.nodes import qos
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from support import decode, http, image_message, parts_of, running, wait_for
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

GREY = 128
STAMPS = itertools.count(1_700_000_000_000_000_000, 100_000_000)


@pytest.fixture(scope='module')
def overlay():
    """Run the overlay node."""
    with running('overlay_node', port=0, jpeg_quality=90) as program:
        program.says('the page is at')
        yield program


@pytest.fixture(scope='module')
def speakers(ears, overlay):
    """Give the publishers of images and detections."""
    images = ears.node.create_publisher(Image, '/image_raw', qos.SENSOR)
    with ears.speaking(Detection2DArray, '/detections', qos.RESULT) as detections:
        yield images, detections
    ears.node.destroy_publisher(images)


def grey(stamp_ns: int) -> Image:
    return image_message(np.full((120, 160, 3), GREY, np.uint8), stamp_ns, 'eye')


def found(header, x=40.0, score=0.9) -> Detection2DArray:
    """Give a person of 40x60 pixels whose box begins at x - 20, 30."""
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = 'person', score
    one = Detection2D(header=header, results=[result])
    one.bbox.center.position.x, one.bbox.center.position.y = x, 60.0
    one.bbox.size_x, one.bbox.size_y = 40.0, 60.0
    return Detection2DArray(header=header, detections=[one])


def box_at(bgr: np.ndarray, x: int) -> bool:
    """Tell whether the left side of such a box was drawn at x."""
    return np.abs(bgr[50:80, x - 22:x - 17].astype(int) - GREY).max() > 60


def stamp_of(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


@contextmanager
def watching(ears, kind=CompressedImage, topic='/overlay/compressed'):
    """Look at the overlay until its node looks at images too."""
    with ears.hearing(kind, topic, qos.SENSOR) as heard:
        ears.until(lambda: ears.node.count_subscribers('/image_raw') == 1, 'the overlay wakes up')
        yield heard


def drawn(ears, speakers, heard, **box):
    """Publish frames with their detections until one comes back drawn; gives it."""
    images, detections = speakers
    sent = set()

    def answer():
        image = grey(next(STAMPS))
        sent.add(stamp_of(image))
        images.publish(image)
        detections.publish(found(image.header, **box))
        return next((m for m in heard if stamp_of(m) in sent), None)
    return ears.until(answer, 'a drawn picture')


def test_boxes_are_drawn_and_the_header_is_kept(overlay, ears, speakers):
    with watching(ears) as heard:
        message = drawn(ears, speakers, heard)
    bgr = decode(message.data.tobytes())
    assert message.header.frame_id == 'eye' and bgr.shape == (120, 160, 3)
    assert 'jpeg' in message.format
    assert box_at(bgr, 40) and not box_at(bgr, 120)


def test_the_picture_is_published_as_an_image_too(overlay, ears, speakers):
    with watching(ears, Image, '/overlay') as heard:
        message = drawn(ears, speakers, heard, x=120.0)
    bgr = np.frombuffer(message.data, np.uint8).reshape(120, 160, 3)
    assert message.encoding == 'bgr8' and box_at(bgr, 120) and not box_at(bgr, 40)


def test_nobody_watches_and_images_are_not_even_received(overlay, ears, speakers):
    ears.until(lambda: ears.node.count_subscribers('/image_raw') == 0, 'the overlay rests')


def test_boxes_are_drawn_only_on_their_own_frame(overlay, ears, speakers):
    images, detections = speakers
    with watching(ears) as heard:
        drawn(ears, speakers, heard)  # all is connected now
        heard.clear()
        waiting = {}

        def some_pairs():
            """Send frames; every third one has a box, and its place tells which."""
            image = grey(next(STAMPS))
            images.publish(image)
            waiting[stamp_of(image)] = 40.0 if len(waiting) % 2 else 120.0
            if len(waiting) % 3 == 0:
                detections.publish(found(image.header, waiting[stamp_of(image)]))
            return len([m for m in heard if stamp_of(m) in waiting]) >= 6
        ears.until(some_pairs, 'six drawn pictures')
        for message in heard:
            x = waiting.get(stamp_of(message))
            if x is not None:
                bgr = decode(message.data.tobytes())
                assert box_at(bgr, int(x)) and not box_at(bgr, 160 - int(x))


def test_detections_may_come_before_their_image(overlay, ears, speakers):
    images, detections = speakers
    with watching(ears) as heard:
        drawn(ears, speakers, heard)
        image = grey(next(STAMPS))
        detections.publish(found(image.header, 120.0))

        def answer():  # best effort: send it until it arrives
            images.publish(image)
            return next((m for m in heard if stamp_of(m) == stamp_of(image)), None)
        message = ears.until(answer, 'the pair')
    assert box_at(decode(message.data.tobytes()), 120)


def test_after_a_rest_the_first_picture_has_its_boxes(overlay, ears, speakers):
    """Nobody watched for longer than the overlay's patience: that is no missing detector."""
    _, detections = speakers
    with watching(ears) as heard:
        drawn(ears, speakers, heard)
    ears.until(lambda: ears.node.count_subscribers('/image_raw') == 0, 'the overlay rests')
    for _ in range(15):  # detections go on meanwhile
        detections.publish(found(grey(next(STAMPS)).header))
        ears.serve(0.1)
    with watching(ears) as heard:
        drawn(ears, speakers, heard)
        first = heard[0]
    assert box_at(decode(first.data.tobytes()), 40)


def test_without_a_detector_frames_are_shown_bare(overlay, ears, speakers):
    images, _ = speakers
    with watching(ears) as heard:
        def bare_ones():  # a picture of the test before may still be on its way
            images.publish(grey(next(STAMPS)))
            pictures = [decode(message.data.tobytes()) for message in heard]
            return [bgr for bgr in pictures if not box_at(bgr, 40) and not box_at(bgr, 120)]
        bgr = ears.until(bare_ones, 'a bare picture')[0]
    assert (bgr[-14:, :60] < 80).any(), 'the note about it stands at the foot'


@pytest.mark.parametrize('change', [{'x': float('nan')}, {'score': float('inf')}])
def test_detections_that_are_no_numbers_are_told_and_the_page_lives(overlay, ears, speakers,
                                                                   change):
    before = int(ears.health('/overlay')['errors'])
    with watching(ears) as heard:
        image = grey(next(STAMPS))
        speakers[1].publish(found(image.header, **change))
        ears.health('/overlay', lambda s: (
            int(s['errors']) > before and 'finite' in s['last_error']), 'the error on diagnostics')
        drawn(ears, speakers, heard)
    assert http(overlay.url + '/api/status').json['detector']['count'] == 0  # no detector node


def test_bad_images_are_told_and_the_node_goes_on(overlay, ears, speakers):
    bad = grey(1)
    bad.step = 7
    with watching(ears) as heard:
        def told(status):
            speakers[0].publish(bad)
            return 'step is 7' in status['last_error'] and int(status['errors']) > 0
        ears.health('/overlay', told, 'the error on diagnostics')
        drawn(ears, speakers, heard)
    assert overlay.process.poll() is None and 'Traceback' not in overlay.stderr


def test_pause_and_resume(overlay, ears, speakers):
    with urlopen(overlay.url + '/stream?topic=/image_raw', timeout=20):
        with ears.hearing(CompressedImage, '/overlay/compressed', qos.SENSOR) as heard:
            assert ears.enable('overlay', False).success
            ears.until(lambda: ears.node.count_subscribers('/image_raw') == 0, 'it rests')
            status = ears.health('/overlay', lambda s: s['enabled'] == 'false')
            assert status['message'] == 'paused'
            assert ears.enable('overlay', True).message == 'overlay is on'
            drawn(ears, speakers, heard)


def test_a_web_viewer_gets_the_picture_and_is_counted(overlay, ears, speakers):
    with urlopen(overlay.url + '/stream', timeout=20) as response:
        status = ears.health('/overlay', lambda s: s['clients'] == '1')
        assert status['enabled'] == 'true'
        with watching(ears) as heard:
            drawn(ears, speakers, heard)
        _, jpeg = next(parts_of(response))
        assert decode(jpeg).shape == (120, 160, 3)
    ears.health('/overlay', lambda s: s['clients'] == '0')


def test_quality_changes_live(overlay, ears, speakers):
    sizes = {}
    for quality in (1, 100):
        assert ears.set('overlay', 'jpeg_quality', quality).successful
        with watching(ears) as heard:
            sizes[quality] = len(drawn(ears, speakers, heard).data)
    assert sizes[1] < sizes[100]
    assert not ears.set('overlay', 'jpeg_quality', 0).successful
    assert not ears.set('overlay', 'port', 1234).successful


def test_the_page_says_that_the_camera_is_missing(overlay):
    def camera():
        return http(overlay.url + '/api/status').json['camera']
    assert not camera()['alive'] and not camera()['enabled']
    # once the pictures of the test before are forgotten
    wait_for(lambda: camera()['message'] == 'the camera node is not there', 'the message')
    answer = http(overlay.url + '/api/camera', {'enabled': True})
    assert answer.status == 503 and answer.json == {
        'enabled': True, 'done': False, 'message': 'the camera node is not there'}


def test_healthz_goes_with_the_flow(overlay, ears, speakers):
    with watching(ears) as heard:
        drawn(ears, speakers, heard)
        assert http(overlay.url + '/healthz').status == 200
    silent = wait_for(lambda: (a := http(overlay.url + '/healthz')).status == 503 and a,
                      'the flow ends')
    assert silent.text == 'the camera node is not there\n'


def test_gesture_and_spoken_lines_reach_the_page(overlay, ears):
    from std_msgs.msg import String
    from vision_msgs.msg import Classification, ObjectHypothesis
    with ears.speaking(Classification, '/gesture', qos.RESULT) as gesture:
        with ears.speaking(String, '/spoken', qos.EVENT) as spoken:
            up = ObjectHypothesis(class_id='thumb_up', score=0.75)
            gesture.publish(Classification(results=[up]))
            spoken.publish(String(data='<b>hello</b>'))
            status = wait_for(
                lambda: (s := http(overlay.url + '/api/status').json)['spoken'] and s, 'the line')
    assert status['gesture'] == {'label': 'thumb_up', 'score': 0.75}
    assert status['spoken'] == ['<b>hello</b>']


def test_the_log_names_an_address_that_can_be_opened():
    words = ['--ros-args', '-r', '__ns:=/open']
    with running('overlay_node', *words, port=0, host='0.0.0.0', token='sesame') as program:
        assert program.url.startswith('http://127.0.0.1:')
        assert http(program.url + '/?token=sesame').status == 200
        program.says('/?token=...')
        program.says('from elsewhere')
