"""The policy of what is worth a word, on tracks and clocks that are made here."""

from edge_vision.core.detections import Detections
from edge_vision.core.speech.announcer import Announcer, GONE_S, MOST_TRACKS, PAUSE_S, STEADY_S
from edge_vision.core.speech.events import ARRIVED, LEFT, place_of
import numpy as np
import pytest

LABELS = ('person', 'dog')
SIZE_WH = (1000, 500)
HERE = (450, 100, 550, 400)
FAR_LEFT = (0, 200, 40, 300)
STEP_S = 0.1


def seen(*tracks) -> Detections:
    """Tracks as (number, box) or (number, box, class)."""
    rows = [(*track, 0)[:3] for track in tracks]
    return Detections(np.array([box for _, box, _ in rows], np.float32).reshape(-1, 4),
                      np.full(len(rows), 0.9, np.float32),
                      np.array([kind for _, _, kind in rows], np.int64), LABELS,
                      np.array([number for number, _, _ in rows], np.int64))


class Story:
    """Frames one after the other, with the clock that goes with them."""

    def __init__(self, announcer):
        self.announcer, self.now_s, self.told = announcer, 100.0, []

    def go(self, seconds: float, *tracks):
        """Show the same tracks for some time; gives what was told as (kind, name, total)."""
        told = []
        for _ in range(round(seconds / STEP_S)):
            told += self.announcer.update(seen(*tracks), self.now_s, SIZE_WH)
            self.now_s += STEP_S
        self.told += told
        return [(event.kind, event.name, event.total) for event in told]


@pytest.fixture
def story():
    return Story(Announcer(cooldown_s=5.0))


def test_nobody_is_no_news(story):
    assert story.go(10) == []


def test_who_stays_is_told_once_and_who_goes_too(story):
    assert story.go(10, (1, HERE)) == [(ARRIVED, 'person', 1)]
    assert story.go(10) == [(LEFT, 'person', 0)]


def test_an_arrival_has_to_be_steady_first(story):
    assert story.go(STEADY_S - STEP_S, (1, HERE)) == []
    assert story.go(10) == [] and story.go(STEADY_S + 2 * STEP_S, (2, HERE))


def test_the_news_comes_with_the_frame_that_makes_it_steady(story):
    first_s = story.now_s
    story.go(2, (1, HERE))
    assert story.told[0].born_s == pytest.approx(first_s + STEADY_S)


def test_a_short_absence_is_no_news(story):
    story.go(2, (1, HERE))
    assert story.go(GONE_S - STEP_S) == [] and story.go(5, (1, HERE)) == []


def test_a_track_that_breaks_in_place_is_the_same_somebody(story):
    story.go(2, (1, HERE))
    assert story.go(0.3) + story.go(10, (2, HERE)) == []
    assert story.go(10) == [(LEFT, 'person', 0)]


def test_somebody_elsewhere_is_somebody_else(story):
    story.go(8, (1, HERE))
    assert (ARRIVED, 'person', 2) in story.go(5, (2, FAR_LEFT))


def test_several_are_counted(story):
    assert story.go(2, (1, HERE), (2, FAR_LEFT)) == [
        (ARRIVED, 'person', 1), (ARRIVED, 'person', 2)]
    assert story.go(2, (2, FAR_LEFT)) == [(LEFT, 'person', 1)]


def test_classes_are_counted_apart_and_may_be_left_out():
    both = [(1, HERE), (2, FAR_LEFT, 1)]
    assert Story(Announcer()).go(2, *both) == [(ARRIVED, 'person', 1), (ARRIVED, 'dog', 1)]
    assert Story(Announcer(names=('dog',))).go(2, *both) == [(ARRIVED, 'dog', 1)]


def test_boxes_without_a_track_are_not_told(story):
    assert story.go(2, (0, HERE)) == []


@pytest.mark.parametrize(('cooldown_s', 'most'), [(0.0, 100), (5.0, 12), (3600.0, 2)])
def test_a_door_that_flickers_does_not_chatter(cooldown_s, most):
    story = Story(Announcer(cooldown_s))
    for number in range(1, 11):
        story.go(1.5, (number, HERE))
        story.go(1.5)
    assert 2 <= len(story.told) <= most
    for kind in (ARRIVED, LEFT):
        times = [event.born_s for event in story.told if event.kind == kind]
        assert all(b - a >= cooldown_s for a, b in zip(times, times[1:]))


def test_the_same_news_waits_and_is_told_if_it_still_holds(story):
    story.go(1, (1, HERE))
    story.go(1.2)
    assert [event.kind for event in story.told] == [ARRIVED, LEFT]
    began_s = story.told[0].born_s
    story.go(10, (2, FAR_LEFT))
    assert story.told[-1].kind == ARRIVED and story.told[-1].born_s - began_s == pytest.approx(5.0)


def test_what_changed_back_meanwhile_is_not_told(story):
    story.go(1, (1, HERE))
    story.go(1.2)
    assert story.go(1, (2, HERE)) == [] and story.go(10) == []


@pytest.mark.parametrize('pause_s', [PAUSE_S + 1, -50])
def test_after_a_pause_all_begins_anew(story, pause_s):
    story.go(2, (1, HERE))
    story.now_s += pause_s
    assert story.go(5) == []


def test_a_crowd_does_not_grow_the_memory(story):
    for start in range(1, 2000, 50):
        story.go(0.1, *[(start + k, HERE) for k in range(50)])
    assert len(story.announcer._tracks) <= MOST_TRACKS


@pytest.mark.parametrize(('box', 'place'), [
    ((0, 0, 100, 500), ('left', 'near')), ((450, 100, 550, 350), ('ahead', 'middle')),
    ((900, 0, 1000, 100), ('right', 'far')), ((0, 0, 1000, 500), ('ahead', 'near')),
    ((340, 0, 360, 349), ('left', 'middle')), ((640, 0, 660, 351), ('right', 'near'))])
def test_where_and_how_near(box, place):
    assert place_of(box, SIZE_WH) == place


def test_without_the_size_of_the_picture_there_is_no_place():
    assert place_of(HERE, None) == ('', '')
