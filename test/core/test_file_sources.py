"""Demo, video files and images: their pictures, and the moments at which they come."""

import threading
import time

import cv2
from edge_vision.core.sources import base, demo, EndOfSource, SourceLost
from edge_vision.core.sources.base import Pace
from edge_vision.core.sources.demo import DemoSource, draw_stand_in
from edge_vision.core.sources.files import ImagesSource, VideoSource
import numpy as np
import pytest


class Clock:
    """In place of time and of the stop event: waiting turns it, so that no test has to wait."""

    def __init__(self):
        self.now_s = 50.0

    def monotonic(self):
        return self.now_s

    def wait(self, seconds):
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(base.time, 'monotonic', clock.monotonic)
    return clock


def number_picture(number, size_wh=(64, 48)):
    """Give a grey picture whose brightness tells its number, through any compression."""
    return np.full((size_wh[1], size_wh[0], 3), 10 + 8 * number, np.uint8)


def number_of(bgr):
    return round((float(bgr.mean()) - 10) / 8)


@pytest.fixture(params=[('avi', 'MJPG'), ('mp4', 'mp4v')], ids=['MJPG in AVI', 'MPEG-4 in MP4'])
def video(request, tmp_path):
    ending, fourcc = request.param
    return write_video(tmp_path / f'video.{ending}', fourcc)


def write_video(path, fourcc='MJPG', count=20, fps=10):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), fps, (64, 48))
    for number in range(count):
        writer.write(number_picture(number))
    writer.release()
    return str(path)


def played(source, clock, count, work_s=0.0):
    """Numbers of the next pictures and the seconds at which they came; work_s passes for each."""
    numbers, times_s = [], []
    for _ in range(count):
        numbers.append(number_of(source.read().bgr))
        times_s.append(clock.now_s)
        clock.now_s += work_s
    return numbers, [t - times_s[0] for t in times_s]


@pytest.mark.parametrize(('late_s', 'expected_s'), [
    pytest.param(0.0, 1.0, id='in time'), pytest.param(0.4, 1.0, id='early enough'),
    pytest.param(1.5, 1.5, id='late: at once, the plan stays'),
    pytest.param(5.0, 5.0, id='far behind: at once')])
def test_pace(clock, late_s, expected_s):
    pace = Pace(clock)
    pace.wait_until(0.0)
    clock.now_s += late_s
    pace.wait_until(1.0)
    assert clock.now_s == pytest.approx(50 + expected_s)
    pace.wait_until(2.0)  # in time again: one second after 1.0 was due, or after it really was
    assert clock.now_s == pytest.approx(50 + (6.0 if late_s == 5.0 else 2.0))


def test_video_has_its_own_timing(video, clock):
    source = VideoSource(video, 0.0, loop=False)
    source.open(clock)
    numbers, times_s = played(source, clock, 20)
    assert numbers == list(range(20)) and source.skipped == 0
    assert times_s == pytest.approx([n / 10 for n in range(20)], abs=0.002)
    assert '64x48 at 10 frames/s' in source.description
    with pytest.raises(EndOfSource, match='is at its end'):
        source.read()


def test_video_at_another_rate(video, clock):
    source = VideoSource(video, 40.0, loop=False)
    source.open(clock)
    numbers, times_s = played(source, clock, 20)
    assert numbers == list(range(20))
    assert times_s == pytest.approx([n / 40 for n in range(20)])


def test_video_starts_again_and_keeps_its_rhythm(video, clock):
    source = VideoSource(video, 0.0, loop=True)
    source.open(clock)
    numbers, times_s = played(source, clock, 50)
    assert numbers == [n % 20 for n in range(50)]
    assert times_s == pytest.approx([n / 10 for n in range(50)], abs=0.005)
    assert 'over and over' in source.description


def test_a_video_of_one_picture_does_not_race(tmp_path, clock):
    source = VideoSource(write_video(tmp_path / 'one.avi', count=1), 0.0, loop=True)
    source.open(clock)
    assert played(source, clock, 5)[1] == pytest.approx([n / 10 for n in range(5)])


def test_a_slow_reader_misses_pictures_but_no_time(video, clock):
    source = VideoSource(video, 0.0, loop=False)
    source.open(clock)
    numbers, times_s = [], []
    with pytest.raises(EndOfSource):
        while True:
            numbers.append(number_of(source.read().bgr))
            times_s.append(clock.now_s - 50)
            clock.now_s += 0.35
    assert numbers == sorted(numbers) and 5 <= len(numbers) <= 7
    assert source.skipped == 20 - len(numbers)
    for number, t_s in zip(numbers, times_s):
        assert -0.001 <= t_s - number / 10 <= 0.251  # in time, within the pause of the reader


def test_a_reader_that_is_far_too_slow_gets_a_picture_all_the_same(video, clock):
    source = VideoSource(video, 0.0, loop=False)
    source.open(clock)
    assert played(source, clock, 3, work_s=5.0)[0] == [0, 9, 19] and source.skipped == 17


@pytest.mark.parametrize('data', [
    pytest.param(b'', id='empty'), pytest.param(b'\0\1\2\3' * 999, id='no video'),
    pytest.param(None, id='missing')])
def test_what_is_no_video_is_refused(tmp_path, clock, data):
    path = tmp_path / 'x.mp4'
    if data is not None:
        path.write_bytes(data)
    source = VideoSource(str(path), 0.0, loop=True)
    with pytest.raises(SourceLost, match='is damaged or in no video format'):
        source.open(clock)
    source.close()


@pytest.mark.parametrize('loop', [False, True])
def test_a_video_that_lost_its_pictures_does_not_loop_for_ever(tmp_path, clock, loop):
    whole = write_video(tmp_path / 'video.avi')
    with open(whole, 'rb') as file:
        data = file.read()
    cut = tmp_path / 'cut.avi'
    cut.write_bytes(data[:data.index(b'movi') + 4])
    source = VideoSource(str(cut), 0.0, loop)
    with pytest.raises(SourceLost, match=r'no picture that can be decoded|is damaged'):
        source.open(clock)
        source.read()


def test_a_cut_video_plays_what_it_has(tmp_path, clock):
    whole = write_video(tmp_path / 'video.avi')
    with open(whole, 'rb') as file:
        data = file.read()
    cut = tmp_path / 'cut.avi'
    cut.write_bytes(data[:data.index(b'movi') + (len(data) - data.index(b'movi')) // 2])
    source = VideoSource(str(cut), 0.0, loop=False)
    source.open(clock)
    numbers = []
    with pytest.raises(EndOfSource):
        while True:
            numbers.append(number_of(source.read().bgr))
    assert 5 <= len(numbers) < 20 and numbers == list(range(len(numbers)))


def test_a_file_may_be_closed_and_opened_again(video, clock):
    source = VideoSource(video, 0.0, loop=False)
    for _ in range(2):
        source.open(clock)
        assert played(source, clock, 3)[0] == [0, 1, 2]
        source.close()
        source.close()


def test_told_to_stop_it_does_not_wait(video):
    stop = threading.Event()
    stop.set()
    source = VideoSource(video, 0.001, loop=False)  # one picture in 1000 s
    source.open(stop)
    start_s = time.monotonic()
    source.read()
    source.read()
    assert time.monotonic() - start_s < 5


@pytest.fixture
def images(tmp_path):
    paths = [str(tmp_path / f'{number}.png') for number in range(4)]
    for number, path in enumerate(paths):
        cv2.imwrite(path, number_picture(number, (40 + number, 30)))
    return paths


def test_images_come_in_order_at_their_rate(images, clock):
    source = ImagesSource(images, 4.0, loop=False)
    source.open(clock)
    numbers, times_s = played(source, clock, 4)
    assert numbers == [0, 1, 2, 3] and times_s == pytest.approx([0, 0.25, 0.5, 0.75])
    with pytest.raises(EndOfSource, match='all 4 images were shown'):
        source.read()


def test_images_start_again_and_one_a_second_is_the_usual(images, clock):
    source = ImagesSource(images, 0.0, loop=True)
    source.open(clock)
    numbers, times_s = played(source, clock, 10)
    assert numbers == [n % 4 for n in range(10)] and times_s == pytest.approx(range(10))


@pytest.mark.parametrize('loop', [False, True])
def test_unreadable_images_are_passed_over(images, clock, loop):
    for path in (images[0], images[2]):
        with open(path, 'wb') as file:
            file.write(b'no image')
    source = ImagesSource(images, 4.0, loop)
    source.open(clock)
    assert played(source, clock, 2)[0] == [1, 3] and source.skipped == 2


def test_an_image_that_vanishes_later_is_passed_over(images, clock, tmp_path):
    source = ImagesSource(images, 4.0, loop=True)
    source.open(clock)
    played(source, clock, 4)
    (tmp_path / '1.png').unlink()
    assert played(source, clock, 3)[0] == [0, 2, 3]


@pytest.mark.parametrize('loop', [False, True])
def test_only_unreadable_images_are_a_loss(tmp_path, clock, loop):
    paths = [str(tmp_path / name) for name in ('a.png', 'b.png')]
    source = ImagesSource(paths, 4.0, loop)
    source.open(clock)
    with pytest.raises(SourceLost, match=r'none of the 2 files can be read as an image, a\.png'):
        source.read()


SIZES = pytest.mark.parametrize('size_wh', [(640, 480), (1280, 720), (320, 240), (480, 640),
                                            (640, 360), (33, 47), (16, 16)])


@SIZES
def test_demo_has_the_size_that_is_asked_for(clock, size_wh):
    source = DemoSource(size_wh, 30.0)
    source.open(clock)
    bgr = source.read().bgr
    assert bgr.shape == (size_wh[1], size_wh[0], 3) and bgr.dtype == np.uint8
    assert f'{size_wh[0]}x{size_wh[1]} at 30 frames/s' in source.description


@pytest.mark.parametrize('fps', [5.0, 30.0, 60.0])
def test_demo_holds_its_rate(clock, fps):
    source = DemoSource((64, 48), fps)
    source.open(clock)
    times_s = played(source, clock, 40)[1]
    assert times_s == pytest.approx([n / fps for n in range(40)]) and source.skipped == 0


def test_demo_counts_what_a_slow_reader_misses(clock):
    source = DemoSource((64, 48), 10.0)
    source.open(clock)
    times_s = played(source, clock, 10, work_s=0.35)[1]
    assert times_s[-1] == pytest.approx(9 * 0.35, abs=0.15)
    assert 9 * 2 <= source.skipped <= 9 * 3


def test_demo_moves(clock):
    source = DemoSource((320, 240), 2.0)
    source.open(clock)
    pictures = [source.read().bgr for _ in range(48)]
    changes = [float(np.abs(a.astype(int) - b).mean()) for a, b in zip(pictures, pictures[1:])]
    assert min(changes) > 0.5
    assert np.ptp([p.mean() for p in pictures]) < 60  # a pan, no flashes


def test_demo_gives_each_frame_an_array_of_its_own(clock):
    source = DemoSource((64, 48), 2.0)
    source.open(clock)
    first = source.read().bgr
    before = first.copy()
    second = source.read().bgr
    np.testing.assert_array_equal(first, before)
    assert not np.shares_memory(first, second)


@SIZES
def test_the_person_stays_in_view(clock, monkeypatch, tmp_path, size_wh):
    portrait = np.full((600, 512, 3), 90, np.uint8)
    cv2.circle(portrait, (265, 160), 60, (0, 255, 0), -1)  # green, where the face is
    cv2.imwrite(str(tmp_path / 'portrait.png'), portrait)
    monkeypatch.setattr(demo, 'find_portrait', lambda: str(tmp_path / 'portrait.png'))
    source = DemoSource(size_wh, 1.0)
    source.open(clock)
    for second in range(24):  # a whole round
        bgr = source.read().bgr.astype(int)
        green = bgr[..., 1] - bgr[..., 0] > 100
        height, width = (len(np.flatnonzero(green.any(axis))) for axis in (1, 0))
        assert min(height, width) > 0.1 * min(size_wh), second
        assert abs(height - width) <= 2, second  # the whole disc, with its aspect


def test_the_portrait_is_there_with_matplotlib():
    pytest.importorskip('matplotlib')
    assert cv2.imread(demo.find_portrait()).shape == (600, 512, 3)


def test_without_matplotlib_there_is_a_test_picture(clock, monkeypatch):
    monkeypatch.setattr(demo, 'find_portrait', lambda: None)
    source = DemoSource((64, 48), 2.0)
    source.open(clock)
    assert source.read().bgr.std() > 10 and 'matplotlib is not installed' in source.description
    assert draw_stand_in().shape == (600, 512, 3)


def test_the_stamp_is_the_wall_clock_next_to_the_capture(video, images):
    for source in (VideoSource(video, 0.0, False), ImagesSource(images, 1.0, False),
                   DemoSource((64, 48), 30.0)):
        source.open(threading.Event())
        before_ns = time.time_ns()
        assert before_ns <= source.read().stamp_ns <= time.time_ns()
