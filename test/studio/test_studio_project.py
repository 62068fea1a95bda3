"""Projects as folders: collecting, labelling, undoing; and that nothing is ever half done."""

from __future__ import annotations

import csv
import json
import threading

from conftest import COLOURS, jpeg_of, picture_of, tree_of
from edge_vision.core.errors import UserError
import pytest
from training.studio.layout import read_layout
from training.studio.project import Project
from training.studio.projects import Projects

ME, YOU = 'me', 'you'


@pytest.fixture
def classes(tmp_path):
    """Give a project with the categories of COLOURS and two pictures of each."""
    project = Projects(tmp_path).create('thumbs', 'classification')
    for name in COLOURS:
        project.add_category(name, ME)
        for number in range(2):
            project.add('A', name, jpeg_of(picture_of(name, number)), ME)
    return project


@pytest.fixture
def points(tmp_path):
    """Give a project of two points without a picture."""
    return Projects(tmp_path).create('tips', 'points', ['thumb', 'index'])


def files_of(project, label=None):
    return [row['file'] for row in project.pictures('A') if label in (None, row.get('label'))]


def rows_of(project):
    with open(project.folder / 'A.csv', newline='', encoding='utf-8') as text:
        return {row['file']: row for row in csv.DictReader(text)}


def test_what_is_collected_lies_in_class_folders(classes):
    assert classes.counts() == {'A': dict.fromkeys(COLOURS, 2)}
    assert {path.split('/')[1] for path in tree_of(classes.folder)} == set(COLOURS)
    file = classes.path_of('A', files_of(classes, 'up')[0])
    assert file.read_bytes() == jpeg_of(picture_of('up', 0))  # the very bytes, not encoded again


def test_a_burst_has_one_name_with_numbers(classes):
    found = [classes.add('A', 'up', jpeg_of(picture_of('up', n)), ME, '20260101-101010-123')
             for n in range(3)]
    assert found == [f'up/20260101-101010-123_{n:03d}.jpg' for n in (1, 2, 3)]
    assert '..' not in classes.add('A', 'up', jpeg_of(picture_of('up')), ME, '../../x')


@pytest.mark.parametrize('data, part', [
    (b'', 'neither a JPEG nor a PNG'), (b'GIF89a....', 'neither'), (b'\xff\xd8\xff', 'damaged'),
    (jpeg_of(picture_of('up'))[:200], 'damaged'), (b'\x89PNG\r\n\x1a\n' + b'\0' * 4 + b'IHDR'
     + b'\0\1\0\0' * 2, '65536x65536'), (b'\xff\xd8' + b'\0' * (33 << 20), 'MB'),
])
def test_what_is_no_picture_is_refused(classes, data, part):
    before = tree_of(classes.folder)
    with pytest.raises(UserError, match=part):
        classes.add('A', 'up', data, ME)
    assert tree_of(classes.folder) == before


@pytest.mark.parametrize('file', [
    '../../thumbs/A/up/x.jpg', 'up/../../A', '/etc/passwd', 'up', 'up/no.jpg', 7, None, '',
    'up/' + 'x' * 300 + '.jpg', 'up/.hidden.jpg', 'a\0b/c.jpg', '../A.csv'])
def test_pictures_that_are_not_there(classes, file):
    with pytest.raises(UserError, match='not there any more'):
        classes.path_of('A', file)


def test_each_change_can_be_undone_and_leaves_all_as_it_was(classes):
    a, b = files_of(classes, 'up')
    changes = [
        lambda: classes.delete('A', [a, b], ME),
        lambda: classes.relabel('A', [a], 'down', ME),
        lambda: classes.add('A', 'up', jpeg_of(picture_of('up', 9)), ME),
        lambda: classes.add_category('wave', ME),
        lambda: classes.rename_category('up', 'high', ME),
        lambda: classes.drop_category('down', ME),
        lambda: classes.add_set('B', ME),
    ]
    for change in changes:
        files, layout = tree_of(classes.folder), json.dumps(vars(classes.layout))
        version = classes.version
        change()
        assert classes.version > version
        assert (tree_of(classes.folder), json.dumps(vars(classes.layout))) != (files, layout)
        classes.undo(ME)
        assert tree_of(classes.folder) == files
        assert json.dumps(vars(classes.layout)) == layout
        assert json.dumps(vars(read_layout(classes.folder))) == layout
    classes.add_set('B', ME)
    classes.add('B', 'up', jpeg_of(picture_of('up', 5)), ME)
    files = tree_of(classes.folder)
    classes.drop_set('B', ME)
    assert 'B' not in classes.counts()
    classes.undo(ME)
    assert tree_of(classes.folder) == files and classes.counts()['B']['up'] == 1


def test_undoing_outlives_a_restart(classes):
    before = tree_of(classes.folder)
    classes.delete('A', files_of(classes), ME)
    again = Project(classes.folder)
    assert again.counts()['A'] == dict.fromkeys(COLOURS, 0)
    assert again.undo(ME) == '6 deletions'
    assert tree_of(classes.folder) == before


def test_each_browser_undoes_its_own_change(classes):
    mine, yours = files_of(classes, 'up')
    classes.relabel('A', [mine], 'down', ME)
    classes.relabel('A', [yours], 'none', YOU)
    classes.undo(ME)
    assert mine in files_of(classes) and yours not in files_of(classes)
    classes.undo(YOU)
    assert yours in files_of(classes)
    with pytest.raises(UserError, match='nothing to undo'):
        Project(classes.folder).undo('a third')


def test_what_another_has_changed_since_is_left_alone(classes):
    file = files_of(classes, 'up')[0]
    new, = classes.relabel('A', [file], 'down', ME)
    classes.delete('A', [new], YOU)
    before = tree_of(classes.folder)
    classes.undo(ME)
    assert tree_of(classes.folder) == before
    with pytest.raises(UserError, match='somebody has moved or deleted it'):
        classes.relabel('A', [file], 'down', ME)


def test_two_pictures_of_one_name_both_stay(classes):
    a = classes.folder / 'A'
    for label in ('up', 'down'):
        (a / label / 'same.png').write_bytes(jpeg_of(picture_of(label), '.png'))
    assert classes.relabel('A', ['up/same.png'], 'down', ME) == ['down/same-2.png']
    assert (a / 'down' / 'same.png').read_bytes() == jpeg_of(picture_of('down'), '.png')
    assert (a / 'down' / 'same-2.png').read_bytes() == jpeg_of(picture_of('up'), '.png')


def test_an_empty_class_leaves_no_folder_that_would_stop_a_training(classes):
    classes.delete('A', files_of(classes, 'up'), ME)
    assert not (classes.folder / 'A' / 'up').exists() and 'up' in classes.layout.categories
    classes.undo(ME)
    assert len(files_of(classes, 'up')) == 2


def test_many_threads_lose_nothing(classes):
    """Two browsers that collect, label and rename at the same time."""
    before = sum(classes.counts()['A'].values())

    def work(client, label):
        for number in range(15):
            file = classes.add('A', label, jpeg_of(picture_of(label, number)), client)
            if number % 3 == 0:
                classes.relabel('A', [file], 'none', client)
            if number % 5 == 0:
                classes.undo(client)
                classes.add('A', label, jpeg_of(picture_of(label, 50 + number)), client)

    threads = [threading.Thread(target=work, args=one)
               for one in (('me', 'up'), ('you', 'down'), ('they', 'up'))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # of the three undos of each, two took back an addition and one a relabelling
    assert sum(classes.counts()['A'].values()) == before + 3 * (15 + 3 - 2)
    assert Project(classes.folder).counts() == classes.counts()


def test_points_are_kept_in_a_table_that_train_gesture_reads(points):
    file = points.add('A', {'thumb': (0.25, 0.5), 'index': ('0.75', '1')}, jpeg_of(
        picture_of('up')), ME)
    later = points.add('A', None, jpeg_of(picture_of('down')), ME)
    assert points.counts() == {'A': {'labelled': 1, 'to label': 1}}
    assert rows_of(points) == {file: {'file': file, 'thumb_x': '0.25000', 'thumb_y': '0.50000',
                                      'index_x': '0.75000', 'index_y': '1.00000'}}
    points.place('A', later, {'thumb': (0, 0), 'index': (1, 1)}, ME)
    points.place('A', later, {'thumb': (0, 0), 'index': (0.5, 0.5)}, ME)
    assert points.pictures('A')[1]['points'] == {'thumb': (0, 0), 'index': (0.5, 0.5)}
    points.undo(ME)
    assert points.pictures('A')[1]['points'] == {'thumb': (0, 0), 'index': (1, 1)}
    points.delete('A', [file], ME)
    assert list(rows_of(points)) == [later]
    points.undo(ME)
    assert set(rows_of(points)) == {file, later} and points.counts()['A']['labelled'] == 2


@pytest.mark.parametrize('given, part', [
    ({'thumb': (2, 0)}, 'outside'), ({'thumb': (float('nan'), 0)}, 'outside'),
    ({'nose': (0, 0)}, "no point 'nose'"), ({'thumb': 'x'}, 'two numbers'), ([], 'No point'),
    ({'thumb': (1, 2, 3)}, 'two numbers')])
def test_points_that_cannot_be(points, given, part):
    with pytest.raises(UserError, match=part):
        points.add('A', given, jpeg_of(picture_of('up')), ME)
    assert points.counts()['A'] == {'labelled': 0, 'to label': 0}


def test_columns_of_a_foreign_table_stay(tmp_path):
    folder = tmp_path / 'tips'
    (folder / 'train').mkdir(parents=True)
    (folder / 'train' / '1.jpg').write_bytes(jpeg_of(picture_of('up')))
    (folder / 'train.csv').write_text('file,hand_x0,index_x,index_y\n1.jpg,0.125,0.5,0.5\n')
    project = Projects(tmp_path).get('tips')
    assert (project.kind, project.layout.sets, project.layout.points) == (
        'points', ['train'], ['index'])
    project.place('train', '1.jpg', {'index': (0.25, 0.25)}, ME)
    assert (folder / 'train.csv').read_text() == (
        'file,hand_x0,index_x,index_y\n1.jpg,0.125,0.25000,0.25000\n')


def test_a_folder_of_class_folders_is_a_project(tmp_path):
    for name in COLOURS:
        (tmp_path / 'mine' / name).mkdir(parents=True)
        (tmp_path / 'mine' / name / '1.jpg').write_bytes(jpeg_of(picture_of(name)))
    projects = Projects(tmp_path)
    assert projects.names() == ['mine']
    project = projects.get('mine')
    assert project.counts() == {'mine': dict.fromkeys(sorted(COLOURS), 1)}
    project.add('mine', 'up', jpeg_of(picture_of('up', 1)), ME)
    with pytest.raises(UserError, match='one data set of its own'):
        project.add_set('B', ME)
    dataset = pytest.importorskip('training.gesture.dataset')
    assert dataset.read_classes(tmp_path / 'mine').counts == [1, 1, 2]


def test_what_the_studio_makes_is_read_by_train_gesture(classes, points):
    dataset = pytest.importorskip('training.gesture.dataset')
    read = dataset.read_classes(classes.folder / 'A')
    assert read.labels == tuple(sorted(COLOURS)) and read.counts == [2, 2, 2]
    points.add('A', {'thumb': (0, 0), 'index': (1, 1)}, jpeg_of(picture_of('up')), ME)
    read = dataset.read_points(points.folder / 'A.csv')
    assert read.labels == ('thumb', 'index') and read.counts == [1, 1]


def test_what_a_kill_left_unfinished_is_swept_away(classes):
    part = classes.folder / 'A' / 'up' / '.x.jpg.123.part'
    part.write_bytes(b'half')
    assert Project(classes.folder).counts() == classes.counts() and not part.exists()


@pytest.mark.parametrize('text', ['', '{', '[]', '{"kind": 7}', '{"sets": ["../x"]}', 'null'])
def test_a_damaged_project_file_is_told(classes, text):
    (classes.folder / 'project.json').write_text(text)
    with pytest.raises(UserError, match='is damaged'):
        Project(classes.folder)


def test_one_studio_has_a_folder_at_a_time(tmp_path):
    first = Projects(tmp_path)
    with pytest.raises(UserError, match='Another studio'):
        Projects(tmp_path)
    first.close()
    Projects(tmp_path).close()
