"""Reading, dividing and altering sets of gestures and points."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')
if find_spec('torchvision') is None:
    pytest.skip('no torchvision', allow_module_level=True)

from edge_vision.core.errors import UserError
from gesture_sets import CLASSES, make_classes, make_points, QUICK, SIDE_WH
from training.augment import Strength as Colours
from training.gesture.augment import augmented, Flips, make_flips, read_pairs, Strength, View
from training.gesture.cutout import hand_alpha
from training.gesture.dataset import (
    GestureItem,
    read_classes,
    read_points,
    with_boxes,
    with_extra,
)
from training.gesture.feed import epoch_batches, feed, Pictures
from training.gesture.settings import check, picture_side, Settings
from training.gesture.split import folds_of, groups_of, split

PLAIN_COLOURS = Colours(colour=0, blur=0, dark=0, grey=0)
STILL = Strength(calm=0, cover=0, jpeg=0, colours=PLAIN_COLOURS)


def test_classes_are_sorted_folders(tmp_path):
    images = read_classes(make_classes(tmp_path / 'set', 4))
    assert (images.task, images.labels, images.counts) == ('classification', CLASSES, [4, 4, 4])
    assert [i.class_index for i in images.items] == [0] * 4 + [1] * 4 + [2] * 4


def test_points_are_column_pairs(tmp_path):
    file = make_points(tmp_path, 3, box=True)
    images = read_points(file)
    assert (images.task, images.labels, images.counts) == ('regression', ('left', 'right'), [3, 3])
    assert np.allclose(images.items[0].box, [0.05, 0.1, 0.95, 0.9])
    only = read_points(file, points=('right',))
    assert np.allclose(only.items[2].points[0], images.items[2].points[1])


def test_a_point_may_be_missing(tmp_path):
    file = make_points(tmp_path, 2)
    lines = file.read_text().splitlines()
    file.write_text('\n'.join([*lines[:2], '01.png,,,0.5,0.5']))
    images = read_points(file)
    assert np.isnan(images.items[1].points[0]).all()
    assert images.counts == [1, 2]


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ((',0.', ',7.'), 'outside the picture'),
        (('left_x', 'lefty'), "no column 'left_x'"),
        (('00.png', 'x.png'), '1 of the 3 pictures'),
        ((',0.', ',a.'), 'is no number'),
    ],
    ids=['outside', 'column', 'file', 'word'],
)
def test_a_wrong_csv_ends_in_a_sentence(tmp_path, change, sentence):
    file = make_points(tmp_path, 3)
    file.write_text(file.read_text().replace(*change, 1))
    with pytest.raises(UserError, match=sentence):
        read_points(file, points=('left', 'right'))


def test_wrong_folders_end_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match='not a folder'):
        read_classes(tmp_path / 'nothing')
    (tmp_path / 'set' / 'up').mkdir(parents=True)
    with pytest.raises(UserError, match=r'1 class folder \(up\); two or more'):
        read_classes(tmp_path / 'set')
    (tmp_path / 'set' / 'down').mkdir()
    with pytest.raises(UserError, match=r"class 'down' .* has no pictures"):
        read_classes(tmp_path / 'set')
    with pytest.raises(UserError, match="class 'down', but only up, left"):
        read_classes(tmp_path / 'set', ('up', 'left'))


def test_an_unreadable_picture_is_named(tmp_path):
    folder = make_classes(tmp_path / 'set', 2)
    (folder / 'up' / 'clip_01.png').write_bytes(b'no picture')
    with pytest.raises(UserError, match=r'clip_01\.png is not a picture'):
        Pictures(read_classes(folder), 64, Flips((0, 1, 2)), quiet=True)


def items_named(names: dict[int, list[str]]) -> tuple[GestureItem, ...]:
    none = np.zeros((0, 2), np.float32)
    return tuple(
        GestureItem(Path(f'{name}.jpg'), index, none)
        for index, files in names.items()
        for name in files
    )


def test_runs_of_frames_stay_together():
    items = items_named({0: [f'wave_{n:02d}' for n in range(12)], 1: ['a_1', 'b_1', 'c_1', 'd_1']})
    groups = groups_of(items, 5)
    assert len(set(groups[:12])) == 3
    assert len(set(groups[:5])) == 1
    assert len(set(groups[12:])) == 4


def test_films_stay_together_where_there_are_several():
    films = [f'{film}{n:02d}' for film in ('ann', 'ben', 'cid', 'dan') for n in range(12)]
    groups = groups_of(items_named({0: films}), 5)
    assert len(set(groups)) == 4


def test_folds_divide_no_group_and_spread_the_classes(tmp_path):
    images = read_classes(make_classes(tmp_path / 'set', 20))
    fold = folds_of(images, 4)
    groups = np.array(groups_of(images.items))
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    for index in range(4):
        assert images.part(np.flatnonzero(fold == index)).counts == [5, 5, 5]
    assert (fold == folds_of(images, 4)).all()


def test_a_part_is_held_out_of_each_class(tmp_path):
    images = read_classes(make_classes(tmp_path / 'set', 20))
    rest, held = split(images, 0.25)
    assert (rest.counts, held.counts) == ([15, 15, 15], [5, 5, 5])
    with pytest.raises(UserError, match='of one burst cannot be divided'):
        split(images.part(np.arange(3)), 0.25)


def test_boxes_and_extra_pictures(tmp_path):
    images = read_classes(make_classes(tmp_path / 'set', 6))
    boxes = tmp_path / 'boxes.csv'
    boxes.write_text('file,hand_x0,hand_y0,hand_x1,hand_y1\nup/clip_02.png,.2,.1,.8,.4\n')
    boxed = with_boxes(images, boxes)
    assert [i.file.name for i in boxed.items if i.box is not None] == ['clip_02.png']
    more = with_extra(boxed, 'none', make_points(tmp_path / 'more', 9, box=True), 3)
    assert more.counts == [6, 9, 6]
    assert all(item.box is not None for item in more.items[-3:])
    with pytest.raises(UserError, match="--extra has the class 'wave'"):
        with_extra(images, 'wave', tmp_path, 3)


def test_pairs():
    assert read_pairs('up=down', CLASSES, '--vertical-pairs') == (2, 1, 0)
    assert make_flips(CLASSES).vertical is None
    with pytest.raises(UserError, match="--vertical-pairs has 'up=left'"):
        make_flips(CLASSES, '', 'up=left')


@pytest.mark.parametrize('seed', range(25))
def test_points_go_where_the_picture_goes(seed):
    """Oracle: the middle of a bright disc, found in the altered picture."""
    bgr = np.zeros((150, 200, 3), np.uint8)
    places = np.array([[0.35, 0.45], [0.6, 0.55]])
    colours = ((0, 0, 255), (0, 255, 0))
    for place, colour in zip(places, colours):
        cv2.circle(bgr, (int(place[0] * 200), int(place[1] * 150)), 6, colour, -1)
    flips = Flips((1, 0), (0, 1))  # left for right changes the names, upside down does not
    rng = np.random.default_rng(seed)
    background = np.zeros((128, 128, 3), np.uint8)
    picture, points, _ = augmented(rng, View(bgr, -1, places), background, flips, STILL)
    names = sorted(range(2), key=lambda channel: np.nan_to_num(points[channel, 0]))
    found = {}
    for channel, name in ((2, 'red'), (1, 'green')):
        y, x = np.nonzero(picture[..., channel] > 128)
        found[name] = np.array([x.mean() + 0.5, y.mean() + 0.5]) / 128
    assert len(names) == 2
    distance = [[np.linalg.norm(p - f) for f in found.values()] for p in points]
    assert min(max(distance[0][0], distance[1][1]), max(distance[0][1], distance[1][0])) < 0.025


def test_a_flip_changes_names_and_only_then():
    """The bright half of the picture tells what the label must be."""
    bgr = np.zeros((60, 80, 3), np.uint8)
    bgr[:30] = 255
    flips = Flips((0, 1), (1, 0))
    strength = Strength(
        calm=0,
        scale=(1, 1),
        stretch=0,
        turn_deg=0,
        shift=0,
        cover=0,
        jpeg=0,
        colours=PLAIN_COLOURS,
    )
    seen = set()
    for seed in range(20):
        picture, _, label = augmented(
            np.random.default_rng(seed),
            View(bgr, 0, np.zeros((0, 2))),
            np.zeros((64, 64, 3), np.uint8),
            flips,
            strength,
        )
        assert (picture[:20].mean() > picture[44:].mean()) == (label == 0)
        seen.add(label)
    assert seen == {0, 1}


def test_left_for_right_moves_points_and_changes_their_names():
    flips = Flips((1, 0))
    strength = Strength(
        calm=0,
        scale=(1, 1),
        stretch=0,
        turn_deg=0,
        shift=0,
        flip=1,
        cover=0,
        jpeg=0,
        colours=PLAIN_COLOURS,
    )
    view = View(np.zeros((60, 80, 3), np.uint8), -1, np.array([[0.1, 0.2], [0.7, 0.8]]))
    background = np.zeros((64, 64, 3), np.uint8)
    _, points, _ = augmented(np.random.default_rng(0), view, background, flips, strength)
    assert np.allclose(points, [[0.3, 0.8], [0.9, 0.2]], atol=1e-6)


def test_a_hand_is_cut_out_and_shown_elsewhere():
    rng = np.random.default_rng(0)
    bgr = rng.integers(0, 60, (60, 80, 3), dtype=np.uint8)
    cv2.ellipse(bgr, (40, 30), (12, 16), 0, 0, 360, (160, 190, 240), -1)
    box = np.array([0.3, 0.2, 0.7, 0.8], np.float32)
    alpha = hand_alpha(bgr, box, np.zeros((0, 2)))
    assert alpha[30, 40] > 0.95
    assert alpha[2, 2] < 0.01
    assert 0.8 < (alpha > 0.5).sum() / (np.pi * 12 * 16) < 1.25
    strength = Strength(calm=0, transplant=1, cover=0, jpeg=0, colours=PLAIN_COLOURS)
    view = View(bgr, 0, np.zeros((0, 2)), box, alpha)
    background = np.full((64, 64, 3), (255, 0, 0), np.uint8)
    picture, _, _ = augmented(rng, view, background, Flips((0,)), strength)
    hand = np.abs(picture.astype(int) - (160, 190, 240)).max(2) < 40
    around = np.abs(picture.astype(int) - (255, 0, 0)).max(2) < 3
    assert hand.sum() > 0.02 * hand.size
    assert (hand | around).mean() > 0.75


def test_the_hand_stays_in_view():
    """Where the box is known no picture loses it: the bright hand is seen in every one."""
    bgr = np.zeros((60, 80, 3), np.uint8)
    bgr[48:58, 66:78] = 255
    view = View(bgr, 0, np.zeros((0, 2)), np.array([0.82, 0.8, 0.98, 0.97], np.float32))
    for seed in range(30):
        background = np.zeros((64, 64, 3), np.uint8)
        rng = np.random.default_rng(seed)
        picture, _, _ = augmented(rng, view, background, Flips((0,)), STILL)
        assert picture.max() > 200


def test_batches_follow_from_the_seed(tmp_path):
    images = read_classes(make_classes(tmp_path / 'set', 4))
    pictures = Pictures(images, 64, make_flips(CLASSES, '', 'up=down'), quiet=True)
    keys = epoch_batches(pictures, 5, 2, 1, 0)
    assert (
        sorted(i for batch in keys for i, _ in batch)
        == sorted([*range(12), *range(12)])[: sum(map(len, keys))]
        or sum(map(len, keys)) < 24
    )
    first, again = (list(feed(pictures, keys, 1, 0, 64, Strength())) for _ in range(2))
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(first, again))
    assert first[0][0].shape[1:] == (64, 64, 3)
    other = next(iter(feed(pictures, keys, 2, 0, 64, Strength())))
    assert (other[0] != first[0][0]).any()


def test_the_side_grows_to_full_size():
    settings = Settings()
    sides = [picture_side(settings, done) for done in np.linspace(0, 1, 40)]
    assert sides == sorted(sides)
    assert (sides[0], sides[-1]) == (settings.start_size, settings.size)
    with pytest.raises(UserError, match='--size is 100; a multiple of 32'):
        check(Settings(size=100))
    check(QUICK)


def test_pictures_are_seen_as_the_node_sees_them(tmp_path):
    images = read_classes(make_classes(tmp_path / 'set', 2))
    plain = Pictures.plain_only(images, 64).plain(0, 32)
    own = cv2.resize(cv2.imread(str(images.items[0].file)), (32, 32), interpolation=cv2.INTER_AREA)
    assert SIDE_WH != (32, 32)
    assert (plain == own).all()
