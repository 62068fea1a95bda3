"""Providers in the order that is asked for, and what is said when one is not there."""

from edge_vision.core import onnx_model
from edge_vision.core.errors import UserError
from edge_vision.core.onnx_model import find_model, OnnxModel, providers_for, shipped_models
import numpy as np
from onnx_files import labels_metadata, save_model
import onnxruntime
import pytest

CPU, CUDA, TENSORRT = (onnx_model.PROVIDERS[name] for name in ('cpu', 'cuda', 'tensorrt'))


# the builds of ONNX Runtime: from pip, onnxruntime-gpu, JetPack's
@pytest.mark.parametrize(('there', 'wanted', 'expected', 'missing'), [
    pytest.param([CPU], [], [CPU], [], id='nothing asked for'),
    pytest.param([CPU], ['auto'], [CPU], [], id='auto without a GPU says nothing'),
    pytest.param([CPU], ['cpu'], [CPU], [], id='the CPU'),
    pytest.param([CPU], ['cuda'], [CPU], ['cuda'], id='a GPU that is not there'),
    pytest.param([CPU], ['tensorrt', 'cuda', 'cpu'], [CPU], ['tensorrt', 'cuda'], id='all'),
    pytest.param([CUDA, CPU], ['auto'], [CUDA, CPU], [], id='auto with a GPU'),
    pytest.param([TENSORRT, CUDA, CPU], ['auto'], [CUDA, CPU], [],
                 id='auto leaves out TensorRT, whose first start takes minutes'),
    pytest.param([TENSORRT, CUDA, CPU], ['tensorrt', 'auto'], [TENSORRT, CUDA, CPU], [],
                 id='TensorRT asked for'),
    pytest.param([TENSORRT, CUDA, CPU], ['cpu'], [CPU], [], id='the CPU though there is a GPU'),
    pytest.param([CUDA, CPU], ['cpu', 'cuda'], [CPU, CUDA], [], id='the order asked for'),
    pytest.param([CUDA, CPU], [' CUDA ', 'cuda', ''], [CUDA, CPU], [], id='spaces and capitals')])
def test_providers(monkeypatch, caplog, there, wanted, expected, missing):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: there)
    assert providers_for(wanted) == expected
    assert [record.levelname for record in caplog.records] == ['WARNING'] * len(missing)
    for name, record in zip(missing, caplog.records):
        assert f"'{name}' was asked for" in record.getMessage()


def test_an_unknown_provider_is_refused():
    with pytest.raises(UserError, match="'gpu' is unknown; auto, tensorrt, cuda, cpu would do"):
        providers_for(['gpu'])


@pytest.fixture
def path(tmp_path):
    return save_model(tmp_path / 'm.onnx', {'o': np.arange(6, dtype=np.float32).reshape(1, 6)},
                      metadata=labels_metadata('a'), options=True)


def test_a_loaded_model_tells_what_it_is(path):
    model = OnnxModel(path, ['cpu'], threads=1)
    assert model.provider == 'cpu' and model.path == path
    assert [i.name for i in model.inputs] == ['image']
    assert {i.name for i in model.optional_inputs} == {
        'score_threshold', 'iou_threshold', 'max_detections'}
    assert model.outputs[0] == 'o' and model.metadata['labels'] == '["a"]'
    outputs = model.run({'image': np.zeros((1, 3, 96, 96), np.float32)})
    assert len(outputs) == len(model.outputs) and outputs[0].tolist() == [[0, 1, 2, 3, 4, 5]]


def test_a_gpu_that_was_asked_for_and_is_not_there_warns_and_the_cpu_serves(path, caplog):
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip('this ONNX Runtime is built for a GPU')
    assert OnnxModel(path, ['cuda', 'cpu']).provider == 'cpu'
    assert "'cuda' was asked for" in caplog.text


def test_optional_inputs_cause_no_noise_at_load(path, capfd):
    OnnxModel(path, ['cpu'])
    assert capfd.readouterr().err == ''


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    for name in ('person', 'gesture'):
        save_model(tmp_path / f'{name}.onnx', {'o': np.zeros(1, np.float32)})
    monkeypatch.setattr(onnx_model, 'MODELS_FOLDER', tmp_path)
    return tmp_path


@pytest.mark.parametrize('name', ['person', ' person '])
def test_a_shipped_model_goes_by_its_name(shipped, name):
    assert shipped_models() == ['gesture', 'person']
    assert find_model(name) == str(shipped / 'person.onnx')


def test_the_users_own_model_comes_before_the_shipped_one_of_its_name(shipped, monkeypatch):
    monkeypatch.setenv('EDGE_VISION_MODELS', str(shipped / 'own'))
    assert find_model('person') == str(shipped / 'person.onnx')
    (shipped / 'own').mkdir()
    save_model(shipped / 'own' / 'person.onnx', {'o': np.zeros(1, np.float32)})
    save_model(shipped / 'own' / 'mine.onnx', {'o': np.zeros(1, np.float32)})
    assert find_model('person') == str(shipped / 'own' / 'person.onnx')
    assert find_model('mine') == str(shipped / 'own' / 'mine.onnx')
    monkeypatch.delenv('EDGE_VISION_MODELS')
    monkeypatch.setenv('XDG_DATA_HOME', str(shipped / 'data'))
    assert find_model('person') == str(shipped / 'person.onnx')
    (shipped / 'data' / 'edge_vision').mkdir(parents=True)
    (shipped / 'own').rename(shipped / 'data' / 'edge_vision' / 'models')
    assert find_model('mine') == str(shipped / 'data' / 'edge_vision' / 'models' / 'mine.onnx')


def test_a_path_wins_over_nothing_and_home_is_known(shipped, monkeypatch):
    monkeypatch.setenv('HOME', str(shipped))
    assert find_model('~/person.onnx') == str(shipped / 'person.onnx')


@pytest.mark.parametrize('name', ['', 'person.pt', 'dir/person', '../person', '/'])
def test_a_model_that_is_not_there_is_refused_with_what_would_do(shipped, name):
    with pytest.raises(UserError, match='an ONNX file or one of person, hog would do'):
        find_model(name)
