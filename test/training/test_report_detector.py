"""The report on the detector, from a checkpoint to the pages."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

import json
import subprocess
import sys

from conftest import REPOSITORY
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('torch_pruning')
pytest.importorskip('pycocotools')
pytest.importorskip('matplotlib')

from training.average import settle_batch_norm
from training.checkpoint import save_checkpoint
from training.export_onnx import export
from training.fused import fused
from training.network import BASE_WIDTHS, Detector
from training.report_detector import counts
from training.surgery import multiply_adds

WIDTHS = {name: [16] * len(row) for name, row in BASE_WIDTHS.items()}


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    model = Detector(WIDTHS, 1)
    for p in model.parameters():  # equal biases would become one in the model file
        p.data += 0.01 * torch.randn_like(p)
    settle_batch_norm(model, [torch.rand(4, 3, 64, 64)])
    state = {'labels': ['person'], 'widths': WIDTHS, 'size': 64, 'average': model.state_dict()}
    save_checkpoint(tmp_path / 'best.pt', state)
    return tmp_path / 'best.pt'


def report(*arguments) -> subprocess.CompletedProcess:
    line = [sys.executable, '-m', 'training.report_detector', *map(str, arguments)]
    return subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=200)


def test_counts_of_a_file_are_those_of_the_network(checkpoint, tmp_path):
    export(checkpoint, tmp_path / 'model.onnx')
    model = Detector(WIDTHS, 1)
    few = fused(model)
    wanted = sum(p.numel() for p in few.parameters())
    found = counts(tmp_path / 'model.onnx')
    assert found == {'params': wanted, 'macs': multiply_adds(few, 64)}


def test_one_command_writes_the_pages(checkpoint, toy, tmp_path):
    work = tmp_path / 'work'
    work.mkdir()
    table = 'layer,channels,removed,parameters,ap50\nstem.0,16,8,70000,0.125\n'
    (work / 'sensitivity.csv').write_text(table)  # what is there is not made again
    line = ['--checkpoint', checkpoint, '--data', toy, '--val', toy, '--work', work]
    line += ['--docs', tmp_path / 'docs', '--ratio', 0.4, '--iterations', 2, '--batch', 4]
    line += ['--finetune-epochs', 1, '--workers', 0, '--threads', 1, '--criteria', 'taylor']
    line += ['--fast', 'taylor:20', '--calibration-images', 2]
    line += ['--against', 'hog']
    done = report(*line)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / 'docs' / 'detector.json').read_text())
    pruning = result['pruning']
    assert set(pruning) == {'base', 'taylor'}
    steps = pruning['taylor']
    assert list(steps) == ['20', '40']
    keys = {'ap50', 'ap', 'params', 'macs', 'bytes', 'ms'}
    assert keys <= set(pruning['base'])
    assert all(keys | {'before'} <= set(found) for found in steps.values())
    for key in ('params', 'macs'):
        assert steps['40'][key] < steps['20'][key] < pruning['base'][key]
    assert set(result['quantized']) == {
        'base_float16',
        'base_int8',
        'taylor20_float16',
        'taylor20_int8',
    }
    half = result['quantized']['base_float16']
    assert half['ap50'] == pytest.approx(pruning['base']['ap50'], abs=0.005)
    assert set(result['against']) == {'hog'}
    page = (tmp_path / 'docs' / 'detector.md').read_text()
    assert '| stem.0 | 16 | 8 | 0.125 |' in page
    assert '| taylor, 40 % removed |' in page and '| hog |' in page
    assert str(tmp_path) not in page
    assert {'detector.png', 'detector_layers.png'} <= {
        file.name for file in (tmp_path / 'docs').iterdir()
    }


def test_a_wrong_fast_is_one_line(checkpoint, toy):
    done = report('--checkpoint', checkpoint, '--data', toy, '--val', toy, '--fast', 'taylor:33')
    assert (done.returncode, done.stderr.count('\n')) == (2, 1)
    assert '--fast is' in done.stderr and '20, 40, 60, 80' in done.stderr
