"""HTTP cameras on a real server of this machine, and RTSP where nobody answers."""

import base64
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import socket
import threading
import time
from urllib.request import parse_http_list, parse_keqv_list

import cv2
from edge_vision.core.jpeg import encode, Variant
from edge_vision.core.sources import http, rtsp, SourceLost
from edge_vision.core.sources.base import TIMEOUT_S, without_password
from edge_vision.core.sources.http import HttpSource
from edge_vision.core.sources.mjpeg import JpegSplitter, MOST_BYTES
from edge_vision.core.sources.rtsp import FfmpegSource
import numpy as np
import pytest

PATIENCE_S = 10.0


def jpeg_of(number, size_wh=(64, 48)):
    return encode(np.full((size_wh[1], size_wh[0], 3), 10 + 8 * number, np.uint8),
                  Variant(quality=95))


def number_of(captured):
    return round((float(captured.bgr.mean()) - 10) / 8)


def with_thumbnail(jpeg, behind=b''):
    """Put a whole JPEG, end marker and all, into the head of another, as cameras do (APP1)."""
    thumbnail = b'Exif\0\0' + jpeg_of(1, (8, 8)) + behind
    return jpeg[:2] + b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail + jpeg[2:]


def part(jpeg, length=True, end=b'\r\n', boundary=b'--frame'):
    lines = [boundary, b'Content-Type: image/jpeg']
    lines += [b'Content-Length: %d' % len(jpeg)] if length else []
    return end.join([*lines, b'', b'']) + jpeg + end


PARTS = [jpeg_of(number) for number in range(4)]


@pytest.mark.parametrize('step', [1, 7, 1000, 10 ** 6], ids=lambda step: f'{step} bytes at a time')
@pytest.mark.parametrize('body', [
    pytest.param(b''.join(part(jpeg) for jpeg in PARTS), id='with lengths'),
    pytest.param(b''.join(part(jpeg, length=False) for jpeg in PARTS), id='without lengths'),
    pytest.param(b''.join(part(jpeg, end=b'\n') for jpeg in PARTS), id='bare line ends'),
    pytest.param(b''.join(part(jpeg, length=False, end=b'\n') for jpeg in PARTS),
                 id='bare line ends, without lengths'),
    pytest.param(b''.join(b'--b\r\n\r\n' + jpeg for jpeg in PARTS) + b'--b--',
                 id='boundaries that follow at once'),
    pytest.param(b'\r\n\r\npreamble\r\n' + b''.join(part(jpeg) for jpeg in PARTS), id='preamble'),
    pytest.param(b''.join(part(jpeg).replace(b'Length', b'LENGTH') for jpeg in PARTS),
                 id='a header in capitals')])
def test_splitter_cuts_at_every_picture(body, step):
    splitter, found = JpegSplitter(), []
    for start in range(0, len(body), step):
        found += splitter.feed(body[start:start + step])
    assert found == PARTS


@pytest.mark.parametrize('length', [True, False], ids=['with lengths', 'without lengths'])
def test_splitter_keeps_a_thumbnail_in_its_picture(length):
    pictures = [with_thumbnail(jpeg) for jpeg in PARTS]
    assert JpegSplitter().feed(b''.join(part(jpeg, length) for jpeg in pictures)) == pictures


def test_splitter_with_a_length_does_not_look_for_the_end():
    pictures = [with_thumbnail(jpeg, behind=b'\r\n--frame') for jpeg in PARTS]
    assert JpegSplitter().feed(b''.join(part(jpeg) for jpeg in pictures)) == pictures


@pytest.mark.parametrize('chunk', [
    pytest.param(b'\0' * 65536, id='no picture at all'),
    pytest.param(b'\xff\xd8' + b'\xff' * 65536, id='a picture without an end'),
    pytest.param(b'Content-Length: 99999999999\r\n\r\n\xff\xd8' + b'x' * 65536,
                 id='a length without an end')])
def test_splitter_gives_up_on_endless_garbage_soon(chunk):
    splitter, start_s = JpegSplitter(), time.process_time()
    with pytest.raises(SourceLost, match='not an MJPEG camera'):
        for _ in range(2 * MOST_BYTES // len(chunk)):
            splitter.feed(chunk)
    assert time.process_time() - start_s < 3


class Camera:
    """An HTTP server whose answer is a function of the request handler."""

    def __init__(self):
        self.requests = []
        self.over = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                camera.requests.append(dict(self.headers))
                try:
                    camera.answer(self)
                except OSError:
                    pass  # the viewer went away

            def log_message(self, *args):
                pass
        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f'http://127.0.0.1:{self.server.server_address[1]}/video'

    def streams(self, *chunks, kind='multipart/x-mixed-replace; boundary=frame', then='close',
                pause_s=0.0):
        """Answer with a head and these chunks; then close, or wait as a camera that hangs."""
        def answer(handler):
            handler.send_response(200)
            handler.send_header('Content-Type', kind)
            handler.end_headers()
            for chunk in chunks:
                handler.wfile.write(chunk)
                handler.wfile.flush()
                self.over.wait(pause_s)
            if then == 'wait':
                self.over.wait(PATIENCE_S)
        self.answer = answer

    def gives(self, *bodies, code=200, kind='image/jpeg'):
        """Answer each request with the next body; the last one stays."""
        left = list(bodies)

        def answer(handler):
            body = left.pop(0) if len(left) > 1 else left[0]
            handler.send_response(code)
            handler.send_header('Content-Type', kind)
            handler.send_header('Content-Length', str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        self.answer = answer


@pytest.fixture
def camera():
    camera = Camera()
    yield camera
    camera.over.set()
    camera.server.shutdown()
    camera.server.server_close()


@pytest.fixture
def opened():
    sources = []

    def open_source(url, fps=0.0, stop=None):
        source = HttpSource(url, fps)
        sources.append(source)
        source.open(stop or threading.Event())
        return source
    yield open_source
    for source in sources:
        source.close()
        source.close()


@pytest.mark.parametrize('length', [True, False], ids=['with lengths', 'without lengths'])
def test_stream_of_pictures(camera, opened, length):
    camera.streams(*[part(jpeg, length) for jpeg in PARTS], then='wait', pause_s=0.05)
    source = opened(camera.url)
    assert source.description == f'MJPEG stream of {camera.url}'
    before_ns = time.time_ns()
    captured = source.read()
    assert captured.jpeg == PARTS[number_of(captured)]  # the camera's own, not encoded again
    assert before_ns <= captured.stamp_ns <= time.time_ns()
    numbers = [number_of(captured)]
    while numbers[-1] < 3:
        numbers.append(number_of(source.read()))
    assert numbers == sorted(set(numbers))
    assert len(numbers) + source.skipped == 4


def test_a_slow_reader_gets_the_newest_picture(camera, opened):
    camera.streams(b''.join(part(jpeg) for jpeg in PARTS), then='wait')
    source = opened(camera.url)
    assert number_of(source.read()) == 3 and source.skipped == 3


def test_still_pictures_are_asked_for_again_and_again(camera, opened):
    camera.gives(*PARTS)
    source = opened(camera.url, fps=500.0)
    assert source.description == f'pictures of {camera.url}'
    assert [number_of(source.read()) for _ in range(4)] == [0, 1, 2, 3]
    assert len(camera.requests) == 4


def test_a_still_picture_that_is_no_jpeg_is_not_passed_on_as_one(camera, opened):
    camera.gives(cv2.imencode('.png', np.full((48, 64, 3), 34, np.uint8))[1].tobytes(),
                 kind='image/png')
    captured = opened(camera.url).read()
    assert number_of(captured) == 3 and captured.jpeg is None


def test_a_damaged_picture_now_and_then_is_passed_over(camera, opened):
    camera.gives(PARTS[0], b'', b'no picture', PARTS[3])
    source = opened(camera.url, fps=500.0)
    assert [number_of(source.read()) for _ in range(2)] == [0, 3] and source.skipped == 2


def test_only_damaged_pictures_are_a_loss(camera, opened):
    camera.gives(b'no picture')
    with pytest.raises(SourceLost, match='delivers damaged JPEGs'):
        opened(camera.url, fps=500.0).read()


def basic(user, password):
    """Give the challenge of basic authentication (RFC 7617), and what answers it."""
    wanted = 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()
    return 'Basic realm="camera"', lambda handler: handler.headers.get('Authorization') == wanted


def digest(user, password):
    """Give the challenge of digest authentication (RFC 2617, 3.2.2), and what answers it."""
    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    def is_right(handler):
        given = parse_keqv_list(parse_http_list(
            handler.headers.get('Authorization', '').partition(' ')[2]))
        if given.get('username') != user or given.get('nonce') != 'n0':
            return False
        parts = (md5(f'{user}:camera:{password}'), 'n0', given['nc'], given['cnonce'], 'auth',
                 md5(f'GET:{handler.path}'))
        return given['response'] == md5(':'.join(parts))
    return 'Digest realm="camera", nonce="n0", qop="auth"', is_right


def needs_password(camera, challenge, is_right):
    give = camera.answer

    def answer(handler):
        if is_right(handler):
            give(handler)
            return
        handler.send_response(401)
        handler.send_header('WWW-Authenticate', challenge)
        handler.send_header('Content-Length', '0')
        handler.end_headers()
    camera.answer = answer


@pytest.mark.parametrize('scheme', [basic, digest])
def test_password_of_the_url(camera, opened, scheme):
    camera.gives(PARTS[2])
    needs_password(camera, *scheme('me', 'p@ss:word'))
    source = opened(camera.url.replace('//', '//me:p%40ss:word@'))
    assert number_of(source.read()) == 2
    assert source.description == f'pictures of {camera.url}'


@pytest.mark.parametrize('user', ['', 'me:wrong@'], ids=['no password', 'a wrong password'])
@pytest.mark.parametrize('scheme', [basic, digest])
def test_a_wrong_password_is_told_but_not_repeated(camera, opened, user, scheme):
    camera.gives(PARTS[2])
    needs_password(camera, *scheme('me', 'right'))
    said = r'answers 401 Unauthorized \(the URL may carry user:password@\)'
    with pytest.raises(SourceLost, match=said) as caught:
        opened(camera.url.replace('//', '//' + user))
    assert 'wrong' not in str(caught.value)


@pytest.mark.parametrize(('url', 'expected'), [
    ('http://camera/x', 'http://camera/x'), ('http://a:b@camera:80/x', 'http://camera:80/x'),
    ('rtsp://a:b@c@camera/x?y=u@v', 'rtsp://camera/x?y=u@v'),
    ('rtsp://camera/a@b', 'rtsp://camera/a@b'),
    ('http://a:b@[half', 'http://[half')])
def test_names_of_cameras_hide_the_password(url, expected):
    assert without_password(url) == expected


@pytest.mark.parametrize(('kind', 'code', 'sentence'), [
    pytest.param('text/html', 200, 'delivers text/html, not an MJPEG stream or a JPEG', id='page'),
    pytest.param('text/html', 404, 'answers 404 Not Found', id='a wrong path'),
    pytest.param('text/html', 503, 'answers 503', id='a camera that is busy')])
def test_what_is_no_camera_is_a_loss(camera, opened, kind, code, sentence):
    camera.gives(b'<html>', kind=kind, code=code)
    with pytest.raises(SourceLost, match=sentence):
        opened(camera.url)


@pytest.mark.parametrize('kind', ['multipart/x-mixed-replace; boundary=frame', 'image/jpeg'])
def test_html_in_place_of_a_picture_is_a_loss(camera, opened, kind):
    camera.streams(b'<html>' * 100_000, kind=kind)
    with pytest.raises(SourceLost, match=r'not an MJPEG camera|damaged JPEGs'):
        opened(camera.url, fps=1000.0).read()


def test_a_stream_that_closes_is_a_loss(camera, opened):
    camera.streams(part(PARTS[1]))
    source = opened(camera.url)
    assert number_of(source.read()) == 1
    with pytest.raises(SourceLost, match='closed the stream'):
        source.read()


def test_a_stream_that_breaks_off_within_a_chunk_is_a_loss(camera, opened):
    def answer(handler):
        handler.protocol_version = 'HTTP/1.1'
        handler.send_response(200)
        handler.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        handler.send_header('Transfer-Encoding', 'chunked')
        handler.send_header('Connection', 'close')
        handler.end_headers()
        body = part(PARTS[1])
        handler.wfile.write(b'%x\r\n%s\r\n' % (len(body), body))
        handler.wfile.write(b'ffff\r\nhalf')
    camera.answer = answer
    source = opened(camera.url)
    assert number_of(source.read()) == 1
    with pytest.raises(SourceLost, match=r'fell silent|closed the stream'):
        while True:
            source.read()


@pytest.mark.parametrize(('chunks', 'then', 'sentence'), [
    pytest.param([part(PARTS[1])[:200]], 'wait', 'fell silent', id='within a picture'),
    pytest.param([], 'wait', 'fell silent', id='before the first'),
    pytest.param([b'\r\n'] * 200, 'wait', 'sent no whole picture', id='a drip of nothing')])
def test_a_stream_that_stalls_is_a_loss(camera, opened, monkeypatch, chunks, then, sentence):
    monkeypatch.setattr(http, 'TIMEOUT_S', 0.2)
    camera.streams(*chunks, then=then, pause_s=0.02)
    start_s = time.monotonic()
    with pytest.raises(SourceLost, match=sentence):
        opened(camera.url).read()
    assert time.monotonic() - start_s < PATIENCE_S / 2


def test_a_camera_that_does_not_answer_is_a_loss(camera, opened, monkeypatch):
    monkeypatch.setattr(http, 'TIMEOUT_S', 0.2)
    camera.answer = lambda handler: camera.over.wait(PATIENCE_S)
    with pytest.raises(SourceLost, match='does not answer'):
        opened(camera.url)


def test_a_stop_ends_the_reading_of_a_drip(camera, opened):
    camera.streams(*[b'\r\n'] * 500, pause_s=0.02)
    stop = threading.Event()
    source = opened(camera.url, stop=stop)
    threading.Timer(0.1, stop.set).start()
    start_s = time.monotonic()
    with pytest.raises(SourceLost):
        source.read()
    assert time.monotonic() - start_s < TIMEOUT_S / 2


def test_a_server_that_speaks_something_else_is_a_loss(opened):
    with socket.create_server(('127.0.0.1', 0)) as server:
        def greet():
            connection, _ = server.accept()
            connection.recv(999)
            connection.sendall(b'SSH-2.0-OpenSSH_9.2\r\n')
            connection.close()
        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(SourceLost, match='does not answer'):
            opened(f'http://127.0.0.1:{server.getsockname()[1]}/')
        thread.join(PATIENCE_S)


@pytest.fixture
def closed_port():
    with socket.socket() as held:  # bound but not listening: nobody else can take it
        held.bind(('127.0.0.1', 0))
        yield held.getsockname()[1]


def test_nobody_at_the_port(opened, closed_port):
    with pytest.raises(SourceLost, match=r'does not answer: .*refused'):
        opened(f'http://127.0.0.1:{closed_port}/')


@pytest.mark.parametrize('scheme', ['rtsp', 'tcp'])
def test_nobody_at_the_port_of_a_stream(closed_port, scheme):
    source = FfmpegSource(f'{scheme}://me:secret@127.0.0.1:{closed_port}/live')
    start_s = time.monotonic()
    with pytest.raises(SourceLost, match=f'{scheme}://127.0.0.1:{closed_port}/live cannot be'):
        source.open(threading.Event())
    source.close()
    assert time.monotonic() - start_s < TIMEOUT_S + 1


def test_an_rtsp_server_that_is_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(rtsp, 'TIMEOUT_S', 0.5)
    with socket.create_server(('127.0.0.1', 0)) as server:
        source = FfmpegSource(f'rtsp://127.0.0.1:{server.getsockname()[1]}/live')
        start_s = time.monotonic()
        with pytest.raises(SourceLost, match='cannot be opened'):
            source.open(threading.Event())
        assert time.monotonic() - start_s < PATIENCE_S


def test_a_stream_through_ffmpeg(tmp_path):
    path = tmp_path / 'video.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    for jpeg in PARTS:
        writer.write(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    writer.release()
    with socket.create_server(('127.0.0.1', 0)) as server:
        def send():
            connection, _ = server.accept()
            with connection:
                connection.sendall(path.read_bytes())
        thread = threading.Thread(target=send)
        thread.start()
        source = FfmpegSource(f'tcp://127.0.0.1:{server.getsockname()[1]}')
        source.open(threading.Event())
        assert source.description.endswith(', 64x48')
        assert [number_of(source.read()) for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(SourceLost, match='stopped delivering'):
            source.read()
        source.close()
        thread.join(PATIENCE_S)
