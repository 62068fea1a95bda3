"""The server with pictures of the test, over real HTTP."""

from __future__ import annotations

from contextlib import closing, contextmanager, ExitStack
import http.client
import json
import os
import re
import socket
import threading
import time
from urllib.request import urlopen

from edge_vision.core.errors import UserError
from edge_vision.web import routes
from edge_vision.web.board import Board
from edge_vision.web.server import Server
import pytest
from support import decode, open_files, parts_of, picture, wait_for
from support import http as ask

CAMERA = {'enabled': 'true', 'fps': '20.00', 'width': '64', 'height': '48', 'dropped': '0',
          'level': 'ok', 'message': 'test'}
RATE_HZ = 20.0


class Rig:
    """A server, a thread that shows pictures to it, and a camera that only notes wishes."""

    def __init__(self, token='', max_clients=12, size_wh=(64, 48)):
        """Start."""
        self.board = Board()
        self.wishes = []
        self.camera_is_there = True
        topics = {'/overlay': '/robot/overlay', '/image_raw': '/robot/image_raw',
                  '/robot/overlay': '/robot/overlay'}
        self.server = Server('127.0.0.1', 0, token, max_clients, self.board, topics,
                             self._set_camera)
        self.url = f'http://127.0.0.1:{self.server.port}'
        self.shows = True
        self._size_wh = size_wh
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()

    async def _set_camera(self, enabled):
        if not self.camera_is_there:
            return False, 'the camera node is not there'
        self.wishes.append(enabled)
        return True, f'camera is {"on" if enabled else "paused"}'

    def _show(self):
        number = 0
        while not self._ending.wait(1 / RATE_HZ):
            if self.shows:
                number += 1
                for topic in ('/robot/overlay', '/robot/image_raw'):
                    self.server.feeds.show(topic, picture(number, self._size_wh),
                                           time.time_ns(), 80)

    def close(self):
        """End."""
        self._ending.set()
        self._thread.join()
        self.server.close()


@contextmanager
def rig_of(**changes):
    """Run a Rig."""
    rig = Rig(**changes)
    try:
        yield rig
    finally:
        rig.close()


@pytest.fixture(scope='module')
def rig():
    """Give a Rig for all tests that leave it as it is."""
    with rig_of() as shared:
        yield shared


def viewers(rig) -> int:
    return rig.server.feeds.viewers()


# ---- pictures

@pytest.mark.parametrize('words, size_wh', [
    ('', (64, 48)), ('?topic=/overlay', (64, 48)), ('?topic=image_raw', (64, 48)),
    ('?topic=/robot/overlay', (64, 48)), ('?width=32', (32, 24)), ('?height=96', (128, 96)),
    ('?width=30&height=90', (30, 90)), ('?quality=5', (64, 48))])
def test_streams_are_well_formed(rig, words, size_wh):
    with urlopen(rig.url + '/stream' + words, timeout=20) as response:
        stamps = []
        for _, (headers, jpeg) in zip(range(3), parts_of(response)):
            assert headers['content-type'] == 'image/jpeg'
            assert decode(jpeg).shape == (*size_wh[::-1], 3)
            stamps.append(float(headers['x-timestamp']))
        assert stamps == sorted(set(stamps)) and abs(stamps[-1] - time.time()) < 20
    wait_for(lambda: viewers(rig) == 0, 'the viewer is let go')


def test_quality_makes_a_difference(rig):
    sizes = [len(ask(f'{rig.url}/snapshot?width=640&quality={q}').body) for q in (1, 100)]
    assert sizes[0] < sizes[1]


def test_a_snapshot_is_one_jpeg(rig):
    answer = ask(rig.url + '/snapshot?topic=/image_raw&width=20')
    assert answer.status == 200 and answer.headers['Content-Type'] == 'image/jpeg'
    assert answer.headers['Cache-Control'] == 'no-store'
    assert decode(answer.body).shape == (15, 20, 3)


def test_a_snapshot_without_pictures_says_why(monkeypatch):
    monkeypatch.setattr(routes, 'SNAPSHOT_S', 0.2)
    with rig_of() as rig:
        rig.shows = False
        answer = ask(rig.url + '/snapshot')
    assert (answer.status, answer.text) == (503, 'no picture: the camera node is not there\n')


@pytest.mark.parametrize('path', ['/stream', '/snapshot', '/stream_viewer'])
def test_an_unknown_topic_is_404_with_those_that_would_do(rig, path):
    answer = ask(rig.url + path + '?topic=/nothing')
    assert answer.status == 404
    assert "'/nothing'" in answer.text and '/overlay' in answer.text
    assert answer.headers['Content-Type'].startswith('text/plain')


@pytest.mark.parametrize('words', [
    'width=-1', 'width=4097', 'height=a', 'quality=101', 'quality=', 'width=1.5', 'width=%C2%B2',
    'height=1e2', 'quality=' + '9' * 5000, 'width=0x10'])
@pytest.mark.parametrize('path', ['/stream', '/snapshot'])
def test_bad_numbers_are_400_with_a_sentence(rig, path, words):
    answer = ask(f'{rig.url}{path}?{words}')
    assert answer.status == 400 and answer.text.startswith(words.split('=')[0] + ' must be')


def test_more_viewers_than_allowed_are_503():
    with rig_of(max_clients=2) as rig, ExitStack() as stack:
        for _ in range(2):
            next(parts_of(stack.enter_context(urlopen(rig.url + '/stream', timeout=20))))
        for path in ('/stream', '/snapshot'):
            answer = ask(rig.url + path)
            assert answer.status == 503
            assert answer.text == '2 viewers are connected, which is the most (parameter ' \
                                  'max_clients)\n'
        assert ask(rig.url + '/api/status').json['clients'] == 2
        stack.close()
        wait_for(lambda: viewers(rig) == 0, 'both are let go')
        assert ask(rig.url + '/snapshot').status == 200


def test_viewers_that_go_away_while_no_picture_comes_are_let_go():
    with rig_of() as rig:
        rig.shows = False
        with urlopen(rig.url + '/stream', timeout=20):
            assert viewers(rig) == 1
        wait_for(lambda: viewers(rig) == 0, 'the viewer is let go')


@contextmanager
def sleeper(rig):
    """Be a viewer that asks for large pictures and never reads; gives its socket."""
    with closing(socket.create_connection(('127.0.0.1', rig.server.port))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b'GET /stream?width=1500&quality=100 HTTP/1.1\r\nHost: x\r\n\r\n')
        yield connection


def sockets() -> int:
    return len([name for name in open_files(os.getpid()) if name.startswith('socket:')])


def resident_kb() -> int:
    with open('/proc/self/status') as status:
        return int(re.search(r'VmRSS:\s+(\d+)', status.read()).group(1))


def test_one_viewer_that_never_reads_holds_up_nobody():
    with rig_of(size_wh=(320, 240)) as rig, sleeper(rig), ExitStack() as stack:
        readers = [stack.enter_context(urlopen(rig.url + '/stream', timeout=20))
                   for _ in range(9)]
        parts = [parts_of(reader) for reader in readers]
        counts, steady = [0] * 9, 15

        def read(index):
            for _, part in zip(range(50), parts[index]):
                counts[index] += 1
                if index == 0:
                    stamps.append(float(part[0]['x-timestamp']))
        stamps = []
        threads = [threading.Thread(target=read, args=(index,)) for index in range(9)]
        for thread in threads:
            thread.start()
        wait_for(lambda: min(counts) > steady, 'all nine see pictures')
        before_kb = resident_kb()
        for thread in threads:
            thread.join(60)
        assert counts == [50] * 9
        assert viewers(rig) == 10
        # the rate that the pictures were shown at, whatever this machine managed: none is missing
        gaps = sorted(b - a for a, b in zip(stamps, stamps[1:]))
        assert gaps[len(gaps) // 2] < 2.5 / RATE_HZ, gaps
        assert resident_kb() - before_kb < 20_000, 'pictures pile up for the one that sleeps'


def test_who_takes_nothing_for_long_is_let_go(monkeypatch):
    monkeypatch.setattr(routes, 'STALL_S', 0.5)
    with rig_of(size_wh=(320, 240)) as rig:
        before = sockets()
        with sleeper(rig):
            wait_for(lambda: viewers(rig) == 1, 'it is counted')
            assert sockets() == before + 2, 'both ends are in this process'
            wait_for(lambda: viewers(rig) == 0, 'it is let go')
            wait_for(lambda: sockets() == before + 1, 'nothing is kept for it')


def test_the_viewer_page_escapes_what_it_is_given(rig):
    nasty = '/stream_viewer?topic=/overlay&x="><script>alert(1)</script>&width=32'
    connection = http.client.HTTPConnection('127.0.0.1', rig.server.port, timeout=20)
    with closing(connection):
        # as a careless program would send it: not percent-encoded at all
        connection.putrequest('GET', nasty.replace(' ', '%20'))
        connection.endheaders()
        response = connection.getresponse()
        text = response.read().decode()
    assert response.status == 200 and '<script' not in text
    source = re.search(r'<img src="([^"]*)"', text).group(1)
    assert source.startswith('/stream?topic=/overlay&amp;') and 'width=32' in source


def test_the_viewer_page_shows_the_stream(rig):
    text = ask(rig.url + '/stream_viewer?topic=/overlay&width=32').text
    source = re.search(r'<img src="([^"]*)"', text).group(1).replace('&amp;', '&')
    with urlopen(rig.url + source, timeout=20) as response:
        assert decode(next(parts_of(response))[1]).shape == (24, 32, 3)


# ---- state and control

def test_status(rig):
    wait_for(lambda: viewers(rig) == 0, 'the viewers before are let go')
    rig.board.node_says('camera', CAMERA)
    answer = ask(rig.url + '/api/status')
    assert answer.headers['Content-Type'].startswith('application/json')
    assert answer.headers['Cache-Control'] == 'no-store'
    assert answer.json['camera']['fps'] == 20 and answer.json['clients'] == 0


def events_of(response):
    for line in response:
        if line.startswith(b'data: '):
            yield json.loads(line[6:])
            assert response.readline() == b'\n'


def test_events_come_once_a_second_and_at_once_on_change():
    with rig_of() as rig, urlopen(rig.url + '/api/events', timeout=20) as response:
        assert response.headers['Content-Type'].startswith('text/event-stream')
        events = events_of(response)
        times = []
        for _ in range(4):
            assert next(events)['spoken'] == []
            times.append(time.monotonic())
        assert 0.5 < (times[-1] - times[1]) / 2 < 2.5, times
        rig.board.spoken('hello')
        assert next(e for e in events if e['spoken'])['spoken'] == ['hello']
        assert time.monotonic() - times[-1] < 5


@pytest.mark.parametrize('enabled', [False, True])
def test_the_camera_is_started_and_stopped(rig, enabled):
    answer = ask(rig.url + '/api/camera', {'enabled': enabled})
    assert answer.status == 200 and rig.wishes[-1] is enabled
    assert answer.json == {'enabled': enabled, 'done': True,
                           'message': f'camera is {"on" if enabled else "paused"}'}


@pytest.mark.parametrize('body, kind', [
    (b'', None), (b'yes', None), (b'[]', None), (b'{}', None), (b'{"enabled": 1}', None),
    (b'{"enabled": "true"}', None), (b'{"enabled": null}', None), (b'\xff\xfe', None),
    (b'{"enabled": true', None), (b'[' * 200_000, None),
    (b'{"enabled": true}', 'application/json; charset=nonsense')])
def test_a_bad_body_is_400(rig, body, kind):
    before = list(rig.wishes)
    answer = ask(rig.url + '/api/camera', body, {'Content-Type': kind or 'application/json'})
    assert answer.status == 400 and answer.text.startswith('the body must be {"enabled": true}')
    assert rig.wishes == before


def test_a_missing_camera_is_503_with_a_sentence():
    with rig_of() as rig:
        rig.camera_is_there = False
        answer = ask(rig.url + '/api/camera', {'enabled': True})
    assert answer.status == 503 and answer.json['message'] == 'the camera node is not there'


@pytest.mark.parametrize('origin', [
    'http://evil.example', 'null', 'http://127.0.0.1:1', 'http://[', 'https://127.0.0.1.evil'])
def test_a_foreign_page_cannot_stop_the_camera(rig, origin):
    before = list(rig.wishes)
    answer = ask(rig.url + '/api/camera', {'enabled': False}, {'Origin': origin})
    assert answer.status == 403 and rig.wishes == before


def test_the_own_page_can(rig):
    assert ask(rig.url + '/api/camera', {'enabled': True}, {'Origin': rig.url}).status == 200


def test_get_stops_nothing(rig):
    assert ask(rig.url + '/api/camera').status == 405


def test_healthz():
    with rig_of() as rig:
        answer = ask(rig.url + '/healthz')
        assert (answer.status, answer.text) == (503, 'the camera node is not there\n')
        rig.board.frame_passed()
        assert ask(rig.url + '/healthz').status == 200


def test_the_page_loads_nothing_from_elsewhere(rig):
    answer = ask(rig.url + '/')
    assert answer.status == 200
    assert "default-src 'self'" in answer.headers['Content-Security-Policy']
    for name in re.findall(r'(?:src|href)="(/static/[^"]*)"', answer.text):
        assert ask(rig.url + name).status == 200
    assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)


@pytest.mark.parametrize('path', ['/static/../server.py', '/static/%2e%2e/server.py', '/nothing'])
def test_other_paths_are_not_there(rig, path):
    connection = http.client.HTTPConnection('127.0.0.1', rig.server.port, timeout=20)
    with closing(connection):
        connection.putrequest('GET', path)
        connection.endheaders()
        assert connection.getresponse().status in (403, 404)


# ---- the token

@pytest.fixture(scope='module')
def locked():
    """Give a Rig that wants a token."""
    with rig_of(token='s3cret-ü') as shared:
        yield shared


GIVEN = 's3cret-%C3%BC'


@pytest.mark.parametrize('path', ['/', '/stream', '/snapshot', '/stream_viewer', '/api/status',
                                  '/api/events', '/static/page.js'])
@pytest.mark.parametrize('given', ['', '?token=', '?token=wrong', '?token=s3cret'])
def test_without_the_token_nothing_is_shown(locked, path, given):
    answer = ask(locked.url + path + given)
    assert answer.status == 401 and 'token' in answer.text


def test_without_the_token_nothing_is_stopped(locked):
    assert ask(locked.url + '/api/camera', {'enabled': False}).status == 401
    assert not locked.wishes


def test_healthz_is_open(locked):
    assert ask(locked.url + '/healthz').status in (200, 503)


def test_the_token_in_the_address_leaves_a_cookie_that_opens_the_rest(locked):
    answer = ask(f'{locked.url}/?token={GIVEN}')
    assert answer.status == 200
    cookie = answer.headers['Set-Cookie']
    assert 'HttpOnly' in cookie and 'SameSite=Strict' in cookie
    value = {'Cookie': cookie.split(';')[0]}
    for path in ('/api/status', '/snapshot', '/static/page.js'):
        assert ask(locked.url + path, headers=value).status == 200
    assert ask(locked.url + '/api/camera', {'enabled': True}, value).status == 200


def test_programs_may_send_it_as_a_bearer(locked):
    with rig_of(token='plain') as rig:
        good = {'Authorization': 'Bearer plain'}
        assert ask(rig.url + '/api/status', headers=good).status == 200
        assert ask(rig.url + '/api/status', headers={'Authorization': 'Basic plain'}).status == 401


def test_bytes_that_are_no_text_are_no_token(locked):
    connection = http.client.HTTPConnection('127.0.0.1', locked.server.port, timeout=20)
    with closing(connection):
        connection.putrequest('GET', '/api/status?token=%ff')
        connection.putheader('Authorization', b'Bearer \xff\xfe')
        connection.putheader('Cookie', b'edge_vision_token=\xff')
        connection.endheaders()
        assert connection.getresponse().status == 401


# ---- the end

def test_close_hangs_up_on_viewers_and_frees_the_port():
    with rig_of() as rig, ExitStack() as stack:
        for path in ('/stream', '/api/events'):
            stack.enter_context(urlopen(rig.url + path, timeout=20)).read(1)
        stack.enter_context(sleeper(rig))
        start_s = time.monotonic()
        rig.server.close()
        assert time.monotonic() - start_s < 4
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(('127.0.0.1', rig.server.port))
        rig.server.close()  # twice does no harm
    assert not [t for t in threading.enumerate() if t.name == 'web' and not t.is_alive()]


@pytest.mark.parametrize('host, words', [
    ('192.0.2.1', "cannot be served at '192.0.2.1'"), ('a..b', "cannot be served at 'a..b'")])
def test_a_host_that_cannot_be_had(host, words):
    async def nothing(enabled):
        return True, ''
    with pytest.raises(UserError) as caught:
        Server(host, 0, '', 5, Board(), {}, nothing)
    assert words in str(caught.value) and '\n' not in str(caught.value)
