"""ZIP files: out and in again, and everything that a hostile one can hold."""

from __future__ import annotations

import io
from pathlib import Path
import zipfile

from conftest import COLOURS, jpeg_of, picture_of, tree_of
from edge_vision.core.errors import UserError
import pytest
from training.studio import archive
from training.studio.archive import exported, take, unpacked
from training.studio.projects import Projects

ME = 'me'


@pytest.fixture
def projects(tmp_path):
    """Give a folder for projects."""
    return Projects(tmp_path / 'projects')


def zip_of(file: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries.items():
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return file


def bring_in(project, file: Path, label: str = ''):
    with unpacked(file, project.own / 'incoming') as found:
        return take(project, found, project.layout.sets[0], label, ME)


def filled(projects, name: str):
    project = projects.create(name, 'classification')
    project.add_set('B', ME)
    for number, label in enumerate(COLOURS):
        project.add_category(label, ME)
        project.add('A', label, jpeg_of(picture_of(label)), ME)
        project.add('B', label, jpeg_of(picture_of(label, number)), ME)
    return project


def test_out_and_in_again_is_the_same(projects, tmp_path):
    project = filled(projects, 'one')
    file = tmp_path / 'one.zip'
    file.write_bytes(b''.join(exported(project)))
    with zipfile.ZipFile(file) as packed:
        assert packed.testzip() is None
    again = projects.create('two', 'classification')
    report = bring_in(again, file)
    assert (report.count, report.refused) == (6, [])
    assert tree_of(again.folder) == tree_of(project.folder)
    again.undo(ME)
    assert tree_of(again.folder) == {}
    assert not (again.own / 'incoming').exists()


def test_points_travel_with_their_table(projects, tmp_path):
    project = projects.create('tips', 'points', ['index'])
    for number in range(3):
        project.add('A', {'index': (0.1 * number, 0.5)} if number else None,
                    jpeg_of(picture_of('up', number)), ME)
    file = tmp_path / 'tips.zip'
    file.write_bytes(b''.join(exported(project)))
    with unpacked(file, tmp_path / 'in') as found:
        assert (found.kind, found.points) == ('points', ['index'])
        again = projects.create('again', found.kind, found.points)
        take(again, found, 'A', '', ME)
    assert again.counts() == project.counts() == {'A': {'labelled': 2, 'to label': 1}}
    assert [row['points'] for row in again.pictures('A')] == [
        row['points'] for row in project.pictures('A')]
    again.undo(ME)
    assert again.counts() == {'A': {'labelled': 0, 'to label': 0}}
    assert (again.folder / 'A.csv').read_text() == 'file,index_x,index_y\n'


@pytest.mark.parametrize('names, expected', [
    (['up/1.jpg', 'down/1.jpg'], {'A/up/1.jpg', 'A/down/1.jpg'}),
    (['mine/up/1.jpg', 'mine/down/1.jpg'], {'A/up/1.jpg', 'A/down/1.jpg'}),
    (['A/up/1.jpg', 'B/up/1.jpg'], {'A/up/1.jpg', 'B/up/1.jpg'}),
    (['1.jpg', '2.jpg'], {'A/none/1.jpg', 'A/none/2.jpg'}),
    (['up\\1.jpg', 'down\\1.jpg'], {'A/up/1.jpg', 'A/down/1.jpg'}),
    (['UP/1.jpg', 'up/1.jpg'], {'A/UP/1.jpg', 'A/UP/1-2.jpg'}),
])
def test_folders_become_categories_and_data_sets(projects, tmp_path, names, expected):
    project = projects.create('one', 'classification')
    project.add_category('none', ME)
    entries = {name: jpeg_of(picture_of('up', i)) for i, name in enumerate(names)}
    report = bring_in(project, zip_of(tmp_path / 'x.zip', entries), 'none')
    assert report.count == len(names) and set(tree_of(project.folder)) == expected


def test_what_is_no_picture_is_refused_by_name_and_the_rest_comes_in(projects, tmp_path):
    good, png = jpeg_of(picture_of('up')), jpeg_of(picture_of('up', 1), '.png')
    project = projects.create('one', 'classification')
    report = bring_in(project, zip_of(tmp_path / 'x.zip', {
        'up/good.jpg': good, 'up/really.png': png, 'up/misnamed.jpg': png,
        'up/notes.txt': b'hello', 'up/lie.jpg': b'no picture at all', 'up/half.jpg': good[:150],
        'up/run.sh': b'rm -r', '../../climbs.jpg': good, '/etc/root.jpg': good,
        'C:\\win.jpg': good, 'a/../../b.jpg': good,
        '__MACOSX/up/._good.jpg': b'x', 'up/.DS_Store': b'x', '👍/emoji.jpg': good,
        'x' * 300 + '/long.jpg': good, 'inner.zip': b'PK\x03\x04', 'table.csv': b'a,b\n1,2\n'}))
    assert set(tree_of(project.folder)) == {
        'A/up/good.jpg', 'A/up/really.png', 'A/up/misnamed.png'}
    reasons = dict(report.refused)
    assert set(reasons) == {
        'up/notes.txt', 'up/lie.jpg', 'up/half.jpg', 'up/run.sh', '../../climbs.jpg',
        '/etc/root.jpg', 'C:\\win.jpg', 'a/../../b.jpg', 'emoji.jpg', 'long.jpg', 'inner.zip',
        'table.csv'}
    assert reasons['../../climbs.jpg'] == 'its path leads out of the ZIP'
    assert reasons['up/half.jpg'] == 'is a damaged JPEG' and '300 letters' in reasons['long.jpg']
    assert not (tmp_path / 'climbs.jpg').exists() and not Path('/etc/root.jpg').exists()


def test_a_bomb_is_counted_as_it_unpacks(projects, tmp_path, monkeypatch):
    project = projects.create('one', 'classification')
    monkeypatch.setattr(archive, 'MOST_BYTES', 2 << 20)
    bomb = jpeg_of(picture_of('up')) + bytes(3 << 20)
    report_file = zip_of(tmp_path / 'x.zip', {'up/bomb.jpg': bomb, 'up/good.jpg': jpeg_of(
        picture_of('up'))})
    assert report_file.stat().st_size < 1 << 16
    report = bring_in(project, report_file)
    assert report.count == 1 and report.refused == [('up/bomb.jpg', 'has more than 2 MB unpacked')]
    monkeypatch.setattr(archive, 'MOST_TOTAL_BYTES', 4 << 20)
    many = zip_of(tmp_path / 'y.zip', {f'up/{n}.jpg': bomb[:2 << 20] for n in range(3)})
    before = tree_of(project.folder)
    with pytest.raises(UserError, match='nothing of it was taken'):
        bring_in(project, many)
    assert tree_of(project.folder) == before and not (project.own / 'incoming').exists()


def test_a_size_that_lies_does_not_help_a_bomb(projects, tmp_path, monkeypatch):
    """The sizes in the ZIP say 100 bytes; what unpacks is what counts."""
    monkeypatch.setattr(archive, 'MOST_BYTES', 1 << 20)
    file = zip_of(tmp_path / 'x.zip', {'up/bomb.jpg': bytes(3 << 20)})
    data, size = file.read_bytes(), (3 << 20).to_bytes(4, 'little')
    assert data.count(size) == 2
    file.write_bytes(data.replace(size, (100).to_bytes(4, 'little')))
    with pytest.raises(UserError, match=r'no picture that can be read: up/bomb\.jpg'):
        bring_in(projects.create('one', 'classification'), file)


def test_too_many_entries(projects, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, 'MOST_ENTRIES', 5)
    file = zip_of(tmp_path / 'x.zip', {f'{n}.jpg': b'' for n in range(6)})
    with pytest.raises(UserError, match='has 6 files; 5'):
        bring_in(projects.create('one', 'classification'), file)
    monkeypatch.setattr(archive, 'MOST_DIRECTORY_BYTES', 100)
    with pytest.raises(UserError, match='make several'):
        bring_in(projects.create('two', 'classification'), file)


@pytest.mark.parametrize('data', [
    b'', b'PK', b'no zip', b'PK\x05\x06' + b'\xff' * 18, b'PK\x05\x06' + b'\0' * 18,
    b'x' * 50 + b'PK\x05\x06' + b'\0' * 8 + b'\x40\0\0\0' + b'\0' * 6])
def test_what_is_no_zip_is_told_in_a_sentence(projects, tmp_path, data):
    file = tmp_path / 'x.zip'
    file.write_bytes(data)
    with pytest.raises(UserError, match=r'no ZIP file|no picture|more than'):
        bring_in(projects.create('one', 'classification'), file)


def test_damaged_entries_are_refused_and_the_others_come_in(projects, tmp_path):
    good = jpeg_of(picture_of('up'))
    file = tmp_path / 'x.zip'
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as packed:
        packed.writestr('up/bad.jpg', good)
        packed.writestr('up/good.jpg', good)
    data = bytearray(file.read_bytes())
    data[100] ^= 0xFF  # within the first picture
    file.write_bytes(data)
    report = bring_in(projects.create('one', 'classification'), file)
    assert report.count == 1 and report.refused[0][0] == 'up/bad.jpg'
    assert 'cannot be unpacked' in report.refused[0][1]


def test_a_great_zip_goes_out_in_pieces(projects):
    project = filled(projects, 'one')
    pieces = list(exported(project))
    assert len(pieces) == 7
    with zipfile.ZipFile(io.BytesIO(b''.join(pieces))) as packed:
        assert 'project.json' in packed.namelist() and 'A/up/' not in packed.namelist()
