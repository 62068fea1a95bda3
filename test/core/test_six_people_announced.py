"""Six people in a real video: six tracks, each told once on coming and once on leaving."""

from bench.tracks import faults, ids_of, PEOPLE
import cv2
from edge_vision.core.detector import load_detector, Options
from edge_vision.core.speech.announcer import Announcer
from edge_vision.core.speech.phrases import load_phrases
from edge_vision.core.tracker import LOW_SCORE, Tracker
import pytest

VIDEO = 'data/video/one_by_one_person.mp4'
SIZE_WH = (768, 432)
RATE_HZ = 10
STEP = 2  # every second frame: half the time, and harder for a tracker
THRESHOLD = 0.4


@pytest.fixture(scope='module')
def frames(shared):
    """Give (seconds, detections) of every second frame, weak boxes too."""
    detector = load_detector(shared('models/yolox_nano.onnx'), Options(
        score_threshold=LOW_SCORE, classes=('person',), threads=2))
    video, found = cv2.VideoCapture(shared(VIDEO)), []
    while video.grab():
        if video.get(cv2.CAP_PROP_POS_FRAMES) % STEP == 1:
            found.append((len(found) * STEP / RATE_HZ, detector.detect(video.retrieve()[1])))
    assert len(found) == 697
    return found


@pytest.mark.slow
def test_six_people_are_six_tracks(frames):
    ids = ids_of(frames, THRESHOLD)
    people = [(first // STEP, last // STEP) for first, last in PEOPLE]
    assert faults(ids, people) == {'tracks': 6, 'switches': 0, 'broken': 0, 'strangers': 0}


@pytest.mark.slow
def test_each_is_told_on_coming_and_on_leaving(frames):
    tracker, announcer, phrases = Tracker(), Announcer(names=('person',)), load_phrases('en')
    lines = []
    for now_s, found in frames:
        tracked = tracker.update(found, now_s, THRESHOLD)
        events = announcer.update(tracked, now_s, SIZE_WH)
        if events:
            lines.append((now_s, phrases.announcement(events)))
    assert len(lines) == 12
    for (first, last), (come_s, came), (leave_s, left) in zip(PEOPLE, lines[::2], lines[1::2]):
        assert came.startswith('A person ') and left == 'A person has left.'
        assert first / RATE_HZ - 1.5 < come_s < first / RATE_HZ + 1.5
        assert last / RATE_HZ < leave_s < last / RATE_HZ + 4
