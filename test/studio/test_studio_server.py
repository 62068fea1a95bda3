"""The studio's server: who may use it, bad input, full disks, two browsers, and kill -9."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import http.client
import os
from pathlib import Path
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit
import zipfile

from conftest import COLOURS, jpeg_of, picture_of, read, running_studio, tree_of
import numpy as np
import pytest
from support import decode, REPO, wait_for
from support import http as ask


def raw(studio, method: str, path: str, headers: dict, body: bytes = b'') -> int:
    """Ask with headers that a library would not send; gives the status."""
    connection = http.client.HTTPConnection(urlsplit(studio.url).netloc, timeout=20)
    connection.putrequest(method, path, skip_host='Host' in headers)
    for name, value in {'Content-Length': str(len(body)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_page_and_its_parts_are_served(studio):
    page = ask(studio.url + '/')
    assert page.status == 200 and "default-src 'self'" in page.headers['Content-Security-Policy']
    for part in ('main.js', 'studio.css', 'icon.svg', 'stage.js'):
        assert ask(f'{studio.url}/static/{part}').status == 200
    assert ask(f'{studio.url}/static/../../__init__.py').status in (403, 404)


def test_other_sites_may_not_use_it(studio):
    host = urlsplit(studio.url).netloc
    body = b'{"name": "foreign", "kind": "classification"}'
    assert raw(studio, 'POST', '/api/projects', {'Origin': 'http://evil.example'}, body) == 403
    # a foreign name that was made to point here, as the browser would then send it
    for name in ('evil.example', f'evil.example:{host.split(":")[1]}', '', '['):
        assert raw(studio, 'GET', '/api/overview', {'Host': name}) == 403
        assert raw(studio, 'POST', '/api/projects', {
            'Host': name, 'Origin': f'http://{name}'}, body) == 403
    assert raw(studio, 'GET', '/api/overview', {'Host': f'localhost:{host.split(":")[1]}'}) == 200
    upgrade = {'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13',
               'Sec-WebSocket-Key': 'x3JJHMbDL1EzLkh9GBhXDw=='}
    assert raw(studio, 'GET', '/api/live', {**upgrade, 'Origin': 'http://evil.example'}) == 403
    assert raw(studio, 'GET', '/api/live', {**upgrade, 'Origin': f'http://{host}'}) == 101
    assert 'foreign' not in [row['name'] for row in studio.ask('/api/overview')['projects']]


def test_a_token_is_asked_for(tmp_path):
    with running_studio(tmp_path, '--token', 'sesame') as locked:
        for path in ('/', '/api/overview', '/api/events', '/api/live', '/static/main.js'):
            assert ask(locked.url + path).status == 401, path
        assert ask(locked.url + '/api/overview?token=sesame').status == 200


@pytest.mark.parametrize('name', [
    'a/b', '../up', '.', '..', '.hidden', 'a.b', '👍', 'x' * 300, '', '   ', 'a\0b', 7, None, [],
    'a\nb/c'])
def test_bad_names_are_refused_in_a_sentence(studio, name):
    before = sorted(path.name for path in studio.projects.iterdir())
    studio.refuses('/api/projects', {'name': name, 'kind': 'classification'})
    assert sorted(path.name for path in studio.projects.iterdir()) == before


def test_bad_names_of_categories_sets_and_points(studio):
    path = studio.make('bad_names', categories=['up'])
    change = f'{path}/change'
    for what in ('add category', 'add set'):
        for name in ('a/b', '..', '👍', 'x' * 300, ''):
            studio.refuses(change, {'do': what, 'name': name})
    studio.refuses(change, {'do': 'rename category', 'name': 'up', 'to': '../up'})
    studio.refuses(change, {'do': 'rename category', 'name': '../A', 'to': 'x'})
    studio.refuses(change, {'do': 'add category', 'name': 'UP'})
    studio.refuses('/api/projects', {'name': 'p', 'kind': 'points', 'points': ['a/b']})
    studio.refuses('/api/projects', {'name': 'p', 'kind': 'points', 'points': []})
    studio.refuses('/api/projects', {'name': 'p', 'kind': 'boxes'})


@pytest.mark.parametrize('body', [b'', b'{', b'[]', b'7', b'[' * 100_000, b'\xff\xfe'])
def test_bodies_that_are_no_object(studio, body):
    studio.refuses('/api/projects', body)


@pytest.mark.parametrize('wish', [
    {}, {'do': 'format disk'}, {'do': 'delete'}, {'do': 'delete', 'set': 'A', 'files': []},
    {'do': 'delete', 'set': 'A', 'files': ['../../../etc/passwd']},
    {'do': 'delete', 'set': '../..', 'files': ['x/y.jpg']},
    {'do': 'delete', 'set': 7, 'files': [1]},
    {'do': 'relabel', 'set': 'A', 'files': ['up/none.jpg'], 'label': 'up'}, {'do': 'undo'},
    {'do': 'place', 'set': 'A', 'files': ['x.jpg']}, {'do': 'drop set', 'set': 'A'},
    {'do': 'drop category', 'name': 'no'}])
def test_changes_that_cannot_be(studio, wish):
    if not (studio.projects / 'changes').exists():
        studio.make('changes')
    studio.refuses('/api/projects/changes/change', wish)


def test_what_is_not_there_is_told(studio):
    assert 'no project' in studio.refuses('/api/projects/nobody')
    assert 'no project' in studio.refuses('/api/projects/..%2F..')
    path = studio.make('there')
    assert 'no data set' in studio.refuses(f'{path}/pictures', set='Z')
    assert 'not there any more' in studio.refuses(f'{path}/picture', set='A', file='../x.jpg')
    assert 'no category' in studio.refuses(
        f'{path}/pictures', jpeg_of(picture_of('up')), set='A', label='nope')
    assert 'not there any more' in studio.refuses(f'{path}/runs/7')
    assert 'too long ago' in studio.refuses(f'{path}/pictures', b'', set='A', label='x', frame='9')


def test_pictures_come_back_as_they_were_and_small(studio):
    path = studio.make('pictures', categories=['up'])
    data = jpeg_of(picture_of('up', 3, (640, 480)))
    file = studio.ask(f'{path}/pictures', data, set='A', label='up')['file']
    assert ask(f'{studio.url}{path}/picture?set=A&file={file}').body == data
    small = decode(ask(f'{studio.url}{path}/picture?set=A&file={file}&width=160').body)
    assert small.shape == (120, 160, 3)
    assert np.abs(small.mean((0, 1)) - COLOURS['up']).max() < 12


def test_two_browsers_on_one_project_lose_nothing(studio):
    path = studio.make('two', categories=list(COLOURS))

    def work(client: str, label: str) -> None:
        for number in range(12):
            data = jpeg_of(picture_of(label, number))
            file = studio.ask(
                f'{path}/pictures', data, client=client, set='A', label=label)['file']
            if number % 4 == 1:
                studio.ask(f'{path}/change', {'do': 'relabel', 'set': 'A', 'files': [file],
                                              'label': 'none'}, client=client)
            if number % 4 == 3:
                studio.ask(f'{path}/change', {'do': 'undo'}, client=client)

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, ('one', 'two'), ('up', 'down')))
    counts = {'none': 6, 'up': 6, 'down': 6}
    for client, undo in (('one', 'picture'), ('two', 'picture'), ('three', '')):
        state = studio.ask(path, client=client)
        # each sees what the others did, and may undo only what is its own
        assert state['counts']['A'] == counts and state['undo'] == undo
    studio.ask(f'{path}/change', {'do': 'undo'}, client='two')
    assert studio.ask(path)['counts']['A'] == {**counts, 'down': 5}


def test_a_zip_goes_out_and_in_over_http(studio):
    path = studio.make('zipped', categories=list(COLOURS))
    studio.fill(path, 2)
    data = ask(f'{studio.url}{path}/export.zip').body
    made = studio.ask('/api/import', data, name='from zip')
    assert (made['name'], made['count'], made['refused']) == ('from zip', 6, [])
    assert tree_of(studio.projects / 'from zip') == tree_of(studio.projects / 'zipped')
    studio.refuses('/api/import', data, name='from zip')  # there already
    studio.refuses('/api/import', b'no zip', name='other')
    assert not (studio.projects / 'other').exists()
    assert studio.ask(f'{path}/import', data, set='A')['count'] == 6
    assert studio.ask(path)['counts']['A']['up'] == 4
    left = [p for p in studio.projects.rglob('*') if p.suffix in ('.upload', '.part')]
    assert left == []


def test_a_project_that_is_deleted_can_be_moved_back(studio):
    path = studio.make('gone', categories=['up'])
    studio.fill(path, 1, ['up'])
    before = tree_of(studio.projects / 'gone')
    connection = http.client.HTTPConnection(urlsplit(studio.url).netloc, timeout=20)
    connection.request('DELETE', path)
    assert connection.getresponse().status == 200
    assert 'gone' not in [row['name'] for row in studio.ask('/api/overview')['projects']]
    trash, = (studio.projects / '.trash').glob('gone *')
    assert tree_of(trash) == before
    trash.rename(studio.projects / 'gone')
    assert studio.ask(path)['counts']['A'] == {'up': 1}


def test_the_studio_killed_at_any_moment_loses_at_most_the_picture_being_taken(tmp_path):
    with running_studio(tmp_path) as first:
        path = first.make('killed', categories=['up', 'down'])
        kept = []

        def collect():
            try:
                for number in range(1000):
                    answer = ask(f'{first.url}{path}/pictures?set=A&label=up',
                                 jpeg_of(picture_of('up', number)))
                    kept.append(answer.json['file'])
            except OSError:
                return

        with ThreadPoolExecutor() as pool:
            work = pool.submit(collect)
            wait_for(lambda: len(kept) > 20, 'some pictures')
            first.kill()
            work.result()
    with running_studio(tmp_path) as second:
        rows = second.ask(f'{path}/pictures', set='A')['pictures']
        assert len(kept) <= len(rows) <= len(kept) + 1
        assert set(kept) <= {row['file'] for row in rows}
        for row in rows:
            decode((tmp_path / 'projects' / 'killed' / 'A' / row['file']).read_bytes())
        assert not list(tmp_path.rglob('*.part'))
        assert second.ask(path)['categories'] == ['up', 'down']


def killed_while(studio, work) -> None:
    """Kill the studio while `work(number)` goes on over and over."""
    done = []

    def go_on():
        try:
            for number in range(10_000):
                work(number)
                done.append(number)
        except OSError:
            return

    with ThreadPoolExecutor() as pool:
        working = pool.submit(go_on)
        wait_for(lambda: len(done) > 8 or working.done(), 'some work')
        time.sleep(0.05)
        studio.kill()
        working.result()


def test_killed_while_pictures_are_moved_deleted_and_undone_none_is_lost(tmp_path):
    with running_studio(tmp_path) as first:
        path = first.make('moved', categories=list(COLOURS))
        first.fill(path, 4)
        before = sorted(tree_of(first.projects / 'moved').values())
        names = list(COLOURS)

        def work(number: int) -> None:
            rows = ask(f'{first.url}{path}/pictures?set=A').json['pictures']
            wish = {'set': 'A', 'files': [rows[number % len(rows)]['file']]}
            change = [{'do': 'relabel', 'label': names[number % 3], **wish},
                      {'do': 'delete', **wish}, {'do': 'undo'}][number % 3]
            ask(f'{first.url}{path}/change', change)

        killed_while(first, work)
    with running_studio(tmp_path) as second:
        folder = second.projects / 'moved'
        thrown = [p.read_bytes() for p in (folder / '.studio' / 'trash').rglob('*') if p.is_file()]
        assert sorted([*tree_of(folder).values(), *thrown]) == before
        if thrown:  # and what was being deleted can be undone
            second.ask(f'{path}/change', {'do': 'undo'}, client='')
        assert sum(second.ask(path)['counts']['A'].values()) == 12


def test_killed_while_a_zip_comes_in(tmp_path):
    with running_studio(tmp_path) as first:
        path = first.make('zip', categories=list(COLOURS))
        first.fill(path, 5)
        data = ask(f'{first.url}{path}/export.zip').body
        killed_while(first, lambda _: ask(f'{first.url}{path}/import?set=A', data))
    with running_studio(tmp_path) as second:
        counts = second.ask(path)['counts']['A']
        assert sum(counts.values()) >= 15
        for file, packed in tree_of(second.projects / 'zip').items():
            assert decode(packed).shape == (48, 64, 3), file
        assert [p for p in second.projects.rglob('*')
                if p.suffix in ('.part', '.upload') or p.name == 'incoming'] == []


def test_killed_while_a_model_is_deployed(tmp_path):
    files = pytest.importorskip('gesture_files')
    with running_studio(tmp_path) as first:
        path = first.make('deploy', categories=list(COLOURS))
        runs = first.projects / 'deploy' / '.studio' / 'runs'
        for number in '12':
            (runs / number).mkdir(parents=True)
            files.save_classifier(runs / number / 'model.onnx', ('none', f'up{number}', 'down'))
        first.ask('/api/deploy', {'model': 'run/deploy/1', 'name': 'gesture'})

        def work(number: int) -> None:
            if number % 3:
                ask(first.url + '/api/deploy', {'model': f'run/deploy/{1 + number % 2}',
                                                'name': 'gesture'})
            else:
                ask(first.url + '/api/back', {'name': 'gesture'})

        killed_while(first, work)
        whole = {(runs / number / 'model.onnx').read_bytes() for number in '12'}
        assert (tmp_path / 'models' / 'gesture.onnx').read_bytes() in whole
    with running_studio(tmp_path) as second:
        second.ask('/api/deploy', {'model': 'run/deploy/2', 'name': 'gesture'})
        second.ask('/api/back', {'name': 'gesture'})
        assert (tmp_path / 'models' / 'gesture.onnx').read_bytes() in whole
        assert not list((tmp_path / 'models').rglob('*.part'))
        assert second.ask(path)['name'] == 'deploy'


@pytest.fixture(scope='module')
def full(tmp_path_factory):
    """Give a studio on a disk that takes no file above 40 kB, as a full one takes none."""
    limit = ['sh', '-c', 'ulimit -f 80 && exec "$@"', 'sh']  # in units of 512 bytes
    with running_studio(tmp_path_factory.mktemp('full'), prefix=limit) as program:
        yield program


def test_a_full_disk_is_one_sentence_and_nothing_is_half_written(full):
    path = full.make('full', categories=['up'])
    full.fill(path, 2, ['up'])
    before = tree_of(full.projects / 'full')
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    great = jpeg_of(noise)
    assert len(great) > 50_000
    sentence = full.refuses(f'{path}/pictures', great, set='A', label='up')
    assert sentence.startswith('The disk is full: the picture was not kept')
    file = full.projects.parent / 'great.zip'
    with zipfile.ZipFile(file, 'w') as packed:
        packed.writestr('up/1.jpg', great)
    assert 'The disk is full' in full.refuses(f'{path}/import', file.read_bytes(), set='A')
    assert tree_of(full.projects / 'full') == before
    assert not list(full.projects.rglob('*.part')) + list(full.projects.rglob('*.upload'))
    full.fill(path, 1, ['up'])  # what fits still goes in
    assert full.ask(path)['counts']['A']['up'] == 3


def test_a_full_disk_keeps_the_labels_that_there_were(full):
    path = full.make('points', 'points', points=['index'])
    for number in range(2):
        full.ask(f'{path}/pictures', jpeg_of(picture_of('up', number)), set='A', index='0.5,0.5')
    table = full.projects / 'points' / 'A.csv'
    with open(table, 'a', encoding='utf-8') as rows:
        rows.writelines(f'{n:040d}.jpg,0.1,0.1\n' for n in range(900))
    before = tree_of(full.projects / 'points')
    assert len(before['A.csv']) > 40_000
    name = next(name for name in before if name.endswith('.jpg')).split('/')[1]
    wish = {'do': 'place', 'set': 'A', 'files': [name], 'points': {'index': [0.1, 0.1]}}
    assert 'The disk is full: the new label' in full.refuses(f'{path}/change', wish)
    assert tree_of(full.projects / 'points') == before


WITHOUT_TORCH = """
import importlib.machinery
real = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split('.')[0] in ('torch', 'torchvision') else real(name, path, target)
importlib.machinery.PathFinder.find_spec = find_spec
"""


def test_without_torch_it_says_how_to_install_it_and_still_collects(tmp_path):
    (tmp_path / 'sitecustomize.py').write_text(WITHOUT_TORCH)
    env = {**os.environ, 'PYTHONPATH': str(tmp_path)}
    with running_studio(tmp_path, env=env) as poor:
        problem = poor.ask('/api/overview')['problem']
        assert 'torch' in problem and 'make setup EXTRAS=training' in problem
        path = poor.make('thumbs', categories=list(COLOURS))
        poor.fill(path, 3)
        assert poor.ask(path)['counts']['A'] == dict.fromkeys(COLOURS, 3)
        assert poor.refuses(f'{path}/runs', {'sets': ['A'], 'start': 'none'}) == problem
        assert poor.ask(path)['runs'] == []


def test_the_server_itself_does_not_load_torch():
    code = ('import sys, training.studio.server; '
            'sys.exit(any(n in sys.modules for n in ("torch", "onnx", "sklearn", "rclpy")))')
    assert subprocess.run([sys.executable, '-c', code], cwd=REPO, timeout=60).returncode == 0


def test_mistakes_at_the_start_are_one_sentence(tmp_path):
    with socket.socket() as taken, running_studio(tmp_path) as first:
        assert first.url
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        for folder, words, part in (
                ('projects', [], 'Another studio'),
                ('b', ['--port', str(taken.getsockname()[1])], 'is in use by another program'),
                ('c', ['--source', 'nonsense:'], 'unknown scheme'),
                ('c', ['--host', '203.0.113.7'], 'cannot be served')):
            command = [sys.executable, '-m', 'training.studio', '--projects',
                       str(tmp_path / folder), '--port', '0', *words]
            ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)
            assert ended.returncode == 2 and part in ended.stderr, ended.stderr
            assert ended.stderr.count('\n') == 1 and ended.stdout == ''


def test_ctrl_c_ends_it_at_once(tmp_path):
    with running_studio(tmp_path, '--source', 'demo:') as program:
        assert program.url
        start_s = time.monotonic()
        assert program.close() == 0
        assert time.monotonic() - start_s < 10
        assert read_lock(tmp_path) != ''


def read_lock(folder: Path) -> str:
    return (folder / 'projects' / '.studio.lock').read_text()


def test_an_unreadable_project_is_listed_with_its_problem(studio):
    folder = studio.projects / 'broken'
    folder.mkdir()
    (folder / 'project.json').write_text('{')
    row, = (r for r in studio.ask('/api/overview')['projects'] if r['name'] == 'broken')
    assert 'is damaged' in row['problem']
    studio.refuses('/api/projects/broken')


def test_the_journal_is_small_and_valid(studio):
    path = studio.make('journal', categories=['up'])
    studio.fill(path, 2, ['up'])
    entries = read(studio.projects / 'journal' / '.studio' / 'undo.json')
    assert [entry['what'] for entry in entries] == ['category up', 'picture', 'picture']
