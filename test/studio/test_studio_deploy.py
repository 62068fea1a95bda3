"""The models folder: a model in, the former one back, and what does not fit is refused."""

from __future__ import annotations

from edge_vision.core.errors import UserError
from edge_vision.core.gesture import load_gesture
from edge_vision.core.model_slot import ModelSlot
from gesture_files import save_classifier, save_pointer
import pytest
from training.studio import deploy

CARD = '# a card\n'


@pytest.fixture
def models(tmp_path):
    """Give three model files and the folder to deploy to."""
    save_classifier(tmp_path / 'one.onnx', ('none', 'fist', 'wave'))
    save_classifier(tmp_path / 'two.onnx', ('none', 'up', 'down'))
    save_pointer(tmp_path / 'tip.onnx', ('index',))
    return tmp_path, tmp_path / 'models'


def test_a_model_goes_in_with_its_card_and_the_former_one_comes_back(models):
    here, folder = models
    one, two = (here / 'one.onnx').read_bytes(), (here / 'two.onnx').read_bytes()
    assert deploy.put(here / 'one.onnx', folder, 'gesture', 'card one') == folder / 'gesture.onnx'
    deploy.put(here / 'two.onnx', folder, 'gesture', 'card two')

    def now():
        return (folder / 'gesture.onnx').read_bytes(), (folder / 'gesture.md').read_text()

    assert now() == (two, 'card two')
    assert deploy.back(folder, 'gesture') and now() == (one, 'card one')
    assert deploy.back(folder, 'gesture') and now() == (two, 'card two')
    row, = deploy.there(folder)
    assert (row['name'], row['in_use'], row['former'], row['bytes']) == (
        'gesture', True, True, len(two))
    assert sorted(p.name for p in folder.rglob('*') if p.is_file()) == [
        'gesture.md', 'gesture.md', 'gesture.onnx', 'gesture.onnx']


def test_the_first_one_can_be_taken_out_and_put_back(models):
    here, folder = models
    deploy.put(here / 'one.onnx', folder, 'gesture', CARD)
    assert deploy.back(folder, 'gesture') is False
    assert not (folder / 'gesture.onnx').exists() and not (folder / 'gesture.md').exists()
    row, = deploy.there(folder)
    assert (row['in_use'], row['former']) == (False, True)
    assert deploy.back(folder, 'gesture') is True
    assert (folder / 'gesture.onnx').read_bytes() == (here / 'one.onnx').read_bytes()


def test_a_running_node_finds_each_change_by_the_name(models, monkeypatch):
    """With the very class by which the gesture node holds its model."""
    from edge_vision.core import onnx_model
    from edge_vision.core.gesture import find_gesture
    here, folder = models
    monkeypatch.setenv('EDGE_VISION_MODELS', str(folder))
    monkeypatch.setattr(onnx_model, 'MODELS_FOLDER', here / 'shipped')
    (here / 'shipped').mkdir()
    save_classifier(here / 'shipped' / 'gesture.onnx', ('none', 'shipped', 'x'))
    slot = ModelSlot(find_gesture, load_gesture)
    slot.loaded('gesture')()

    def seen() -> str:
        slot.look()  # sees that it changes
        slot.look()  # and that it changes no more
        return slot.model.labels[1]

    assert seen() == 'shipped'
    deploy.put(here / 'one.onnx', folder, 'gesture', CARD)
    assert seen() == 'fist'
    deploy.put(here / 'two.onnx', folder, 'gesture', CARD)
    assert seen() == 'up'
    deploy.back(folder, 'gesture')
    assert seen() == 'fist'
    (folder / 'former' / 'gesture.onnx').unlink()
    deploy.back(folder, 'gesture')
    assert seen() == 'shipped'


@pytest.mark.parametrize('make, part', [
    (lambda file: file.write_bytes(b'no model'), 'is no ONNX model'),
    (lambda file: file.write_bytes(b''), 'no ONNX model|cannot be loaded|no gesture model'),
    (lambda file: save_classifier(file, output='detections'), 'is no gesture model'),
    (lambda file: save_classifier(file, input_shape=(1, 3, 32, 32)), 'cannot be loaded'),
    (lambda file: save_classifier(file, metadata={'labels': '["one"]'}), "metadata 'labels'"),
])
def test_a_model_that_does_not_fit_the_node_is_refused(models, make, part):
    here, folder = models
    deploy.put(here / 'one.onnx', folder, 'gesture', CARD)
    before = {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()}
    make(here / 'bad.onnx')
    with pytest.raises(UserError, match=part) as told:
        deploy.put(here / 'bad.onnx', folder, 'gesture', CARD)
    assert '\n' not in str(told.value)
    assert {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()} == before


def test_a_fingertip_is_no_gesture(models):
    here, folder = models
    with pytest.raises(UserError, match="'fingertip', or a name of your own, would do"):
        deploy.put(here / 'tip.onnx', folder, 'gesture', CARD)
    with pytest.raises(UserError, match="'gesture', or a name of your own"):
        deploy.put(here / 'one.onnx', folder, 'fingertip', CARD)
    assert deploy.put(here / 'tip.onnx', folder, 'my tip', CARD).name == 'my_tip.onnx'
    with pytest.raises(UserError, match='letters'):
        deploy.put(here / 'tip.onnx', folder, '../tip', CARD)
    with pytest.raises(UserError, match=r"No model '\.\./x' was deployed"):
        deploy.back(folder, '../x')


def test_what_the_page_names_is_found_or_told(studio, tmp_path):
    for word in ('', 'shipped/person', 'shipped/../x', 'deployed/../../x', 'run/nobody/1', 'x/y',
                 'run/a/1/2/3', 7, None):
        studio.refuses('/api/deploy', {'model': word, 'name': 'gesture'})
    studio.refuses('/api/back', {'name': 'never deployed'})
    studio.refuses('/api/back', {'name': ['x']})
    studio.refuses('/api/source', {'source': 'nonsense:'})
    studio.refuses('/api/source', {'source': ''})
    studio.refuses('/api/source', {'source': '/etc/passwd'})
    assert not list(studio.models.rglob('*.onnx'))
