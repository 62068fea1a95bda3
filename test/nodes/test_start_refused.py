"""Mistakes of the user: one sentence, exit code 2, at once."""

from __future__ import annotations

import re
import socket

import pytest
from support import running, SHARED


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Give a folder with files that are broken, each in its own way."""
    folder = tmp_path_factory.mktemp('broken')
    (folder / 'no_video.mp4').write_bytes(b'this is no video' * 100)
    (folder / 'broken.onnx').write_bytes(b'this is no model' * 100)
    (folder / 'calibration.yaml').write_text('image_width: 640\n')
    (folder / 'tabs.yaml').write_text('camera:\n\tros__parameters:\n\t\tfps: [1\n')
    for name, line in (('unknown', 'widht: 640'), ('type', 'width: wide')):
        (folder / f'{name}.yaml').write_text(
            f'/**/camera:\n  ros__parameters:\n    {line}\n')
    (folder / 'all_nodes.yaml').write_text('/**:\n  ros__parameters:\n    no_such: 1\n')
    return folder


def yaml(name):
    return ['--ros-args', '--params-file', '{files}/' + name + '.yaml']


def given(text):
    return ['--ros-args', '-p', text]


@pytest.mark.parametrize('program, words, sentence', [
    ('camera_node', given('sorce:=x'), "no parameter 'sorce': did you mean 'source'"),
    ('camera_node', given('fps:=-1.0'), "'fps' must be from 0 to 1000, but -1.0 was given"),
    ('camera_node', given('source:={files}/no_video.mp4'), 'no_video.mp4'),
    ('camera_node', given('source:=77'), "source '77' is no camera of this machine"),
    ('camera_node', given('camera_info_url:={files}/calibration.yaml'), 'is no camera calibrat'),
    ('camera_node', yaml('unknown'), "no parameter 'widht': did you mean 'width'"),
    ('camera_node', yaml('type'), "'width' wants a whole number"),
    ('camera_node', yaml('nothing'), 'nothing.yaml'),
    ('camera_node', yaml('tabs'), 'tabs.yaml'),
    ('camera_node', given('source:=demo:'), 'quotes'),
    ('nano', ['--ros-args', '--without', 'speech'], "comes before --ros-args or after '--'"),
    ('detector_node', given('model:={files}/nothing.onnx'), 'nothing.onnx'),
    ('detector_node', given('model:={files}/broken.onnx'), 'broken.onnx'),
    ('detector_node', given('classes:=[dog]') + ['-p', 'model:=hog'], "class 'dog' is unknown"),
    ('gesture_node', given('model:={files}/nothing.onnx'), 'nothing.onnx'),
    ('gesture_node', given('model:={files}/broken.onnx'), 'broken.onnx'),
    ('gesture_node', given('model:=person'), 'is no gesture model'),
    ('gesture_node', given('rate_hz:=0.0'), "'rate_hz' must be from 0.1 to 60"),
    ('overlay_node', given('port:={port}'), 'port {port} of 127.0.0.1 is in use'),
    ('overlay_node', given('host:=192.0.2.1'), "'192.0.2.1'"),
    ('overlay_node', given('host:=a..b'), "'a..b'"),
    ('nano', given('overlay:port:={port}') + ['-p', 'detector:model:=hog'],
     'port {port} of 127.0.0.1 is in use'),
    ('nano', given('detector:model:={files}/broken.onnx'), 'broken.onnx'),
    ('nano', yaml('unknown'), "the node 'camera' has no parameter 'widht'"),
    ('nano', yaml('all_nodes'), "has no parameter 'no_such'"),
], ids=lambda value: re.sub(r'.*[/:=]', '', value[-1]) if isinstance(value, list) else '')
def test_one_sentence_and_exit_code_2(files, program, words, sentence):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        names = {'files': str(files), 'port': taken.getsockname()[1]}

        def fill(text):
            return text.format(**names) if '{' in text else text
        with running(program, *(fill(word) for word in words)) as ended:
            assert ended.ended(10) == 2
    # rcl itself announces a file that it cannot parse
    lines = [line for line in ended.stderr.splitlines()
             if line.strip() and not line.startswith(('[INFO]', '[WARN]'))
             and '[rcl]: Failed' not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f'{program}: ') and fill(sentence) in lines[0]
    assert 'Traceback' not in ended.output


def test_a_model_that_fits_nothing_is_described(tmp_path):
    onnx = pytest.importorskip('onnx')
    from onnx import helper, TensorProto
    graph = helper.make_graph(
        [helper.make_node('Identity', ['text'], ['out'])], 'odd',
        [helper.make_tensor_value_info('text', TensorProto.FLOAT, [1, 7])],
        [helper.make_tensor_value_info('out', TensorProto.FLOAT, [1, 7])])
    path = tmp_path / 'odd.onnx'
    onnx.save(helper.make_model(graph, ir_version=8,
                                opset_imports=[helper.make_opsetid('', 13)]), path)
    with running('detector_node', model=str(path)) as ended:
        assert ended.ended(10) == 2
    line, = ended.stderr.splitlines()
    assert 'fits no detector' in line and 'text' in line and '[1, 7]' in line


def test_help_tells_how_and_ends_well():
    with running('nano', '--help') as ended:
        assert ended.ended(10) == 0
    assert '--without' in ended.output and not ended.stderr


def test_an_unknown_option_is_refused():
    with running('nano', '--whithout', 'camera') as ended:
        assert ended.ended(10) == 2
    assert '--whithout' in ended.stderr and 'Traceback' not in ended.stderr


@pytest.mark.skipif(not (SHARED / 'models').is_dir(), reason='shared/models is not there')
def test_a_folder_is_no_model():
    with running('detector_node', model=str(SHARED / 'models')) as ended:
        assert ended.ended(10) == 2
    line, = ended.stderr.splitlines()
    assert str(SHARED / 'models') in line
