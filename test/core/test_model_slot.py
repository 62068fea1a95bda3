"""Models that are exchanged, replaced on disk, missing, or broken."""

import os

from edge_vision.core import onnx_model
from edge_vision.core.errors import UserError
from edge_vision.core.gesture_models import GestureModels
from edge_vision.core.model_slot import ModelSlot
from gesture_files import save_classifier, save_pointer
import pytest


class Files:
    """Stands in for the finding and loading of models: a model is its file's text."""

    def __init__(self, folder):
        self.folder, self.loads = folder, []

    def find(self, name):
        path = self.folder / name
        if not path.is_file():
            raise UserError(f'no file {name}')
        return str(path)

    def load(self, name):
        with open(self.find(name), encoding='utf-8') as file:
            text = file.read()
        self.loads.append(text)
        if text.startswith('bad'):
            raise UserError(f'{name} is {text}')
        return text

    def write(self, name, text):
        """Replace a file as a careful program does."""
        new = self.folder / f'{name}.new'
        new.write_text(text)
        os.replace(new, self.folder / name)


@pytest.fixture
def files(tmp_path):
    made = Files(tmp_path)
    made.write('a', 'one')
    return made


@pytest.fixture
def slot(files):
    made = ModelSlot(files.find, files.load)
    made.loaded('a')()
    return made


def test_what_is_loaded_counts_only_when_it_is_put(files, slot):
    files.write('b', 'two')
    put = slot.loaded('b')
    assert (slot.model, slot.name) == ('one', 'a')
    put()
    assert (slot.model, slot.name) == ('two', 'b')
    slot.loaded('')()
    assert (slot.model, slot.name) == (None, '')
    assert not slot.look()


def test_a_file_that_stays_is_not_read_again(files, slot):
    assert [slot.look() for _ in range(5)] == [False] * 5
    assert files.loads == ['one']


def test_a_file_that_is_replaced_is_read_once_it_has_come_to_rest(files, slot):
    files.write('a', 'two')
    assert slot.changed() and not slot.look() and slot.model == 'one'
    files.write('a', 'two, and more')
    assert not slot.look()
    assert slot.look() and slot.model == 'two, and more'
    assert not slot.changed() and not slot.look()
    assert files.loads == ['one', 'two, and more']


def test_a_file_that_is_written_in_place_is_seen(files, slot):
    (files.folder / 'a').write_text('six')  # of the same length
    os.utime(files.folder / 'a', ns=(0, 12345))
    slot.look()
    assert slot.look() and slot.model == 'six'


def test_a_bad_file_is_told_once_and_the_old_model_stays(files, slot):
    files.write('a', 'bad')
    slot.look()
    with pytest.raises(UserError, match='a is bad'):
        slot.look()
    assert (slot.model, slot.problem) == ('one', 'a is bad')
    assert [slot.look() for _ in range(3)] == [False] * 3
    files.write('a', 'three')
    slot.look()
    assert slot.look() and (slot.model, slot.problem) == ('three', '')


def test_a_file_that_is_removed_changes_nothing_until_it_is_back(files, slot):
    (files.folder / 'a').unlink()
    assert not slot.look() and not slot.look() and slot.model == 'one'
    files.write('a', 'two')
    slot.look()
    assert slot.look() and slot.model == 'two'


def test_a_promised_file_is_loaded_when_it_comes(files):
    slot = ModelSlot(files.find, files.load)
    slot.promise('b', 'b is missing')
    assert not slot.look() and (slot.model, slot.problem) == (None, 'b is missing')
    files.write('b', 'here')
    assert not slot.look() and slot.look()
    assert (slot.model, slot.problem) == ('here', '')


def test_a_model_that_cannot_be_changes_nothing(files, slot):
    files.write('b', 'bad')
    for name in ('b', 'c'):
        with pytest.raises(UserError):
            slot.loaded(name)
    assert (slot.model, slot.name, slot.problem) == ('one', 'a', '')


# ---- the two of the gesture node

@pytest.fixture
def shipped(tmp_path, monkeypatch):
    folder = tmp_path / 'shipped'
    folder.mkdir()
    monkeypatch.setattr(onnx_model, 'MODELS_FOLDER', folder)
    monkeypatch.setenv('EDGE_VISION_MODELS', str(tmp_path / 'own'))
    return folder


def models(model='', fingertip_model=''):
    return {'model': model, 'fingertip_model': fingertip_model}


def test_shipped_models_that_are_missing_are_awaited(shipped, caplog):
    both = GestureModels(models('gesture', ' fingertip '), ('cpu',), 1)
    assert not both.at_work()
    assert "'gesture' is not there" in both.problem() and "'fingertip'" in both.problem()
    assert [r.levelname for r in caplog.records] == ['WARNING'] * 2
    assert both.look() == []
    save_pointer(shipped / 'fingertip.onnx')
    assert both.look() == [] and both.look() == ['fingertip_model']
    assert list(both.at_work()) == ['fingertip_model']
    assert "'fingertip'" not in both.problem() and "'gesture'" in both.problem()
    with pytest.raises(UserError, match="'gesture' is not there"):
        both.change(models('gesture', 'fingertip'))  # set again


def test_a_deployed_model_takes_the_place_of_the_shipped_one_of_its_name(shipped, tmp_path):
    save_classifier(shipped / 'gesture.onnx')
    both = GestureModels(models('gesture'), ('cpu',), 1)
    (tmp_path / 'own').mkdir()
    save_classifier(tmp_path / 'own' / 'gesture.onnx', ('mine', 'b', 'c'))
    assert both.look() == [] and both.look() == ['model']
    assert both.at_work()['model'].labels == ('mine', 'b', 'c')


def test_what_a_user_names_has_to_be_there_at_the_start(shipped):
    with pytest.raises(UserError, match=r"'/no/such\.onnx' is no file"):
        GestureModels(models('/no/such.onnx'), ('cpu',), 1)


def test_models_are_exchanged_all_or_none(shipped, tmp_path):
    first = save_classifier(tmp_path / 'first.onnx', ('a', 'b', 'c'))
    second = save_classifier(tmp_path / 'second.onnx', ('d', 'e', 'f'))
    pointer = save_pointer(tmp_path / 'pointer.onnx')
    both = GestureModels(models(first), ('cpu',), 1)
    with pytest.raises(UserError, match='gives probabilities'):
        both.change(models(second, first))
    assert both.at_work()['model'].labels == ('a', 'b', 'c')
    assert both.change(models(second, pointer)) == ['model', 'fingertip_model']
    assert both.at_work()['model'].labels == ('d', 'e', 'f')
    assert both.change(models(second, pointer)) == []
    assert both.change(models('', pointer)) == ['model'] and 'model' not in both.at_work()


def test_a_file_set_again_is_read_again_if_it_is_another(shipped, tmp_path):
    path = save_classifier(tmp_path / 'mine.onnx', ('a', 'b', 'c'))
    both = GestureModels(models(path), ('cpu',), 1)
    save_classifier(path, ('new', 'b', 'c'))
    assert both.change(models(path)) == ['model']
    assert both.at_work()['model'].labels == ('new', 'b', 'c')
    (tmp_path / 'mine.onnx').write_bytes(b'broken')
    with pytest.raises(UserError, match='no ONNX model'):
        both.change(models(path))
    both.look()
    with pytest.raises(UserError, match='no ONNX model, or a damaged one; the model of before'):
        both.look()
    with pytest.raises(UserError, match='no ONNX model'):  # and not taken for loaded
        both.change(models(path))
    assert both.at_work()['model'].labels == ('new', 'b', 'c')
