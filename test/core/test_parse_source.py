"""What a user may give as `source`, word by word."""

import os

import cv2
from edge_vision.core.errors import UserError
from edge_vision.core.sources import parse, parse_source, Settings
from edge_vision.core.sources.csi import GstreamerSource
from edge_vision.core.sources.demo import DemoSource
from edge_vision.core.sources.files import ImagesSource, VideoSource
from edge_vision.core.sources.http import HttpSource
from edge_vision.core.sources.rtsp import FfmpegSource
from edge_vision.core.sources.v4l2 import V4l2Source
import numpy as np
import pytest


def write_hollow(path, picture):
    """Write a video whose head is whole and whose pictures are zeros."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (16, 12))
    writer.write(picture)
    writer.release()
    data = bytearray(path.read_bytes())
    start = data.index(b'mdat') + 4
    length = int.from_bytes(data[start - 8:start - 4], 'big') - 8
    data[start:start + length] = bytes(length)
    path.write_bytes(data)


@pytest.fixture
def folder(tmp_path):
    """Make a folder of everything that a user has: pictures, a video, and what is neither."""
    picture = np.full((12, 16, 3), 90, np.uint8)
    for name in ('b.jpg', 'a.png', 'C.JPEG', 'with space.bmp', 'odd[1].png'):
        cv2.imwrite(str(tmp_path / name), picture)
    writer = cv2.VideoWriter(str(tmp_path / 'video.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10,
                             (16, 12))
    for _ in range(3):
        writer.write(picture)
    writer.release()
    (tmp_path / 'demo.avi').write_bytes((tmp_path / 'video.avi').read_bytes())
    (tmp_path / 'a:b.avi').write_bytes((tmp_path / 'video.avi').read_bytes())
    (tmp_path / 'text.txt').write_text('Hello.\n' * 99)
    (tmp_path / 'text.mp4').write_text('Grüße.\n' * 999)
    (tmp_path / 'empty.mp4').write_bytes(b'')
    (tmp_path / 'noise.mp4').write_bytes(np.random.default_rng(1).bytes(9999))
    (tmp_path / 'cut.avi').write_bytes((tmp_path / 'video.avi').read_bytes()[:300])
    write_hollow(tmp_path / 'hollow.mp4', picture)
    (tmp_path / 'bare').mkdir()
    (tmp_path / 'bare' / 'notes.txt').write_text('no picture')
    (tmp_path / 'pictures.jpg').mkdir()
    return tmp_path


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv('HOME', str(folder))


@pytest.mark.parametrize(('text', 'kind'), [
    pytest.param('demo:', DemoSource, id='demo:'), pytest.param('demo', DemoSource, id='demo'),
    pytest.param('DEMO:', DemoSource, id='capitals'),
    pytest.param('  demo:\n', DemoSource, id='spaces around'),
    pytest.param('http://127.0.0.1:8081/stream', HttpSource, id='http'),
    pytest.param('HTTPS://user:pass@camera.local/', HttpSource, id='https with a password'),
    pytest.param('http://[::1]:80/x?action=stream', HttpSource, id='IPv6'),
    pytest.param('rtsp://camera', FfmpegSource, id='rtsp without a path'),
    pytest.param('rtsp://u:p@10.0.0.3:554/h264?channel=1', FfmpegSource, id='rtsp'),
    pytest.param('udp://239.0.0.1:1234', FfmpegSource, id='udp'),
    pytest.param('video.avi', VideoSource, id='video'),
    pytest.param('./video.avi', VideoSource, id='relative path'),
    pytest.param('~/video.avi', VideoSource, id='path from home'),
    pytest.param('demo.avi', VideoSource, id='a name that begins as a keyword'),
    pytest.param('a:b.avi', VideoSource, id='a name with a colon'),
    pytest.param('file:video.avi', VideoSource, id='file: relative'),
    pytest.param('a.png', ImagesSource, id='one image'),
    pytest.param('with space.bmp', ImagesSource, id='a name with a space'),
    pytest.param('odd[1].png', ImagesSource, id='a name that looks like a glob'),
    pytest.param('.', ImagesSource, id='folder'), pytest.param('~', ImagesSource, id='home'),
    pytest.param('*.png', ImagesSource, id='glob'),
    pytest.param('**/*.png', ImagesSource, id='glob of all folders'),
    pytest.param('[ab].*', ImagesSource, id='glob of letters')])
def test_words_of_the_contract(text, kind):
    assert type(parse_source(text)) is kind


@pytest.mark.parametrize('name', ['video.avi', 'with space.bmp', 'odd[1].png'])
def test_file_urls(folder, name):
    assert parse_source((folder / name).as_uri())
    assert parse_source(f'FILE://{folder}/video.avi')


def test_camera_by_number_and_by_path(monkeypatch):
    exists = os.path.exists
    monkeypatch.setattr(parse.os.path, 'exists',
                        lambda path: str(path).startswith('/dev/') or exists(path))
    for text, device in (('0', 0), ('12', 12), ('/dev/video2', '/dev/video2'),
                         ('/dev/v4l/by-id/cam', '/dev/v4l/by-id/cam')):
        source = parse_source(text)
        assert type(source) is V4l2Source and source._device == device


@pytest.mark.parametrize(('text', 'sensor'), [('csi:0', 0), ('csi:', 0), ('csi', 0), ('CSI:1', 1)])
def test_csi_where_opencv_has_gstreamer(monkeypatch, text, sensor):
    monkeypatch.setattr(parse, 'has_gstreamer', lambda: True)
    source = parse_source(text, Settings(1280, 720, 30.0))
    assert type(source) is GstreamerSource
    assert f'sensor-id={sensor} ' in source._pipeline
    assert 'width=1280, height=720' in source._pipeline


def test_csi_without_gstreamer_says_what_to_use(monkeypatch):
    monkeypatch.setattr(parse, 'has_gstreamer', lambda: False)
    with pytest.raises(UserError, match=r'needs an OpenCV with GStreamer.*python3-opencv'):
        parse_source('csi:0')


def test_images_of_a_folder_are_in_the_order_of_their_names(folder):
    names = [os.path.basename(path) for path in parse_source(str(folder))._paths]
    assert names == ['C.JPEG', 'a.png', 'b.jpg', 'odd[1].png', 'with space.bmp']


@pytest.mark.parametrize(('text', 'why'), [
    pytest.param('', 'is empty', id='nothing'), pytest.param('  ', 'is empty', id='spaces'),
    pytest.param('missing.mp4', 'is neither a file nor a folder', id='missing file'),
    pytest.param('/no/such/folder/', 'is neither a file nor a folder', id='missing folder'),
    pytest.param('file:///no/such.mp4', 'is neither', id='missing file URL'),
    pytest.param('-1', 'is neither', id='a number below 0'),
    pytest.param('0.5', 'is neither', id='half a camera'),
    pytest.param('²', 'is neither', id='a digit that is no number'),
    pytest.param('a\0b', 'is neither', id='a null byte'),
    pytest.param('x' * 9999, 'is neither', id='a name that is too long'),
    pytest.param('99', 'is no camera of this machine', id='a camera that is not there'),
    pytest.param('/dev/video99', 'is no camera of this machine', id='a device that is not there'),
    pytest.param('ftp://host/x', "has the unknown scheme 'ftp:'", id='unknown scheme'),
    pytest.param('webcam:0', "has the unknown scheme 'webcam:'", id='a guess'),
    pytest.param('http://', 'is no address', id='http without a host'),
    pytest.param('rtsp:///stream', 'is no address', id='rtsp without a host'),
    pytest.param('rtsp:camera', 'is no address', id='rtsp without slashes'),
    pytest.param('http://camera:port/', 'is no address', id='a port that is a word'),
    pytest.param('http://camera:99999/', 'is no address', id='a port that is too high'),
    pytest.param('http://[::1/', 'is no address', id='half an IPv6 address'),
    pytest.param('http://my camera/', 'is no address', id='a host with a space'),
    pytest.param('csi:left', 'names no CSI sensor', id='a sensor that is a word'),
    pytest.param('bare', 'is a folder without images', id='a folder without images'),
    pytest.param('*.mkv', 'is a glob that no image fits', id='a glob that nothing fits'),
    pytest.param('*.mp4', 'is a glob that no image fits', id='a glob of videos'),
    pytest.param('pictures.jpg', 'is a folder without images', id='a folder named as an image'),
    pytest.param('text.txt', 'is a text file', id='a text'),
    pytest.param('text.mp4', 'is a text file', id='a text named as a video'),
    pytest.param('empty.mp4', 'cannot be played', id='an empty file'),
    pytest.param('noise.mp4', 'cannot be played', id='noise'),
    pytest.param('hollow.mp4', 'no picture that can be decoded', id='a video of zeros'),
    pytest.param('cut.avi', 'cannot be played', id='a video without a picture')])
def test_refusals_are_one_sentence_with_what_would_do(text, why):
    with pytest.raises(UserError) as caught:
        parse_source(text)
    sentence = str(caught.value)
    assert why in sentence and '\n' not in sentence.replace(text, '')
    assert sentence.endswith(parse.WHAT_WOULD_DO)


@pytest.mark.parametrize('name', ['video.avi', 'bare'])
def test_what_may_not_be_read_is_refused(monkeypatch, name):
    monkeypatch.setattr(parse.os, 'access', lambda path, mode: False)  # root may read all
    with pytest.raises(UserError, match=r'may not (be read by this user|read)'):
        parse_source(name)


def test_a_password_is_not_told():
    with pytest.raises(UserError) as caught:
        parse_source('http://user:secret@camera:port/')
    assert 'secret' not in str(caught.value)
