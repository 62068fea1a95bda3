"""An ONNX file as ONNX Runtime runs it: providers, threads, and errors in one sentence."""

from __future__ import annotations

from contextlib import nullcontext
import logging
import os
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from edge_vision.core.errors import UserError
from edge_vision.core.turns import CORES
import numpy as np
import onnxruntime

log = logging.getLogger(__name__)

MODELS_FOLDER = Path(__file__).resolve().parent.parent / 'models'
GESTURE_MODELS = ('gesture', 'fingertip')  # shipped too, and no detectors
PROVIDERS = {'tensorrt': 'TensorrtExecutionProvider', 'cuda': 'CUDAExecutionProvider',
             'cpu': 'CPUExecutionProvider'}
DTYPES = {'tensor(uint8)': 'uint8', 'tensor(float)': 'float32', 'tensor(float16)': 'float16',
          'tensor(int64)': 'int64'}
ERRORS_ONLY = 3  # severity; models with optional inputs would warn of each at load


def shipped_models() -> List[str]:
    """List the names of the models that come with the package."""
    return sorted(path.stem for path in MODELS_FOLDER.glob('*.onnx'))


def own_models_folder() -> Path:
    """Folder of the user's own models, where the studio deploys to: $EDGE_VISION_MODELS if set."""
    data = os.environ.get('XDG_DATA_HOME') or '~/.local/share'
    named = os.environ.get('EDGE_VISION_MODELS') or os.path.join(data, 'edge_vision', 'models')
    return Path(named).expanduser()


def named_model(name: str) -> Optional[Path]:
    """File of a model by its name alone: the user's own before the shipped one; None for none."""
    if not name or os.sep in name:
        return None
    files = (folder / f'{name}.onnx' for folder in (own_models_folder(), MODELS_FOLDER))
    return next((file for file in files if file.is_file()), None)


def find_model(name: str, would_do: Optional[Sequence[str]] = None) -> str:
    """
    Path of a model given by path, or by the name of a shipped or deployed one.

    UserError where there is none. would_do: the names that are offered then; all detectors where
    it is left out.
    """
    path = os.path.expanduser(name.strip())
    named = named_model(path)
    if named is not None:
        return str(named)
    if os.path.isfile(path):
        return path
    if would_do is None:
        would_do = [name for name in shipped_models() if name not in GESTURE_MODELS] + ['hog']
    raise UserError(f"model '{name}' is no file and no shipped model; an ONNX file or one of "
                    f'{", ".join(would_do)} would do')


def providers_for(wanted: Sequence[str]) -> List[str]:
    """
    Full provider names in the order wanted, the CPU always last.

    wanted: 'auto' (the best that this ONNX Runtime has, but for TensorRT, whose first start
    takes minutes), or any of tensorrt, cuda, cpu. One that this build of ONNX Runtime lacks is
    left out with a warning. UserError for a name that is unknown.
    """
    there = onnxruntime.get_available_providers()
    wanted = [name.strip().lower() for name in wanted if name.strip()] or ['auto']
    chosen = []
    for name in wanted:
        if name == 'auto':
            chosen += [PROVIDERS[p] for p in ('cuda', 'cpu') if PROVIDERS[p] in there]
            continue
        if name not in PROVIDERS:
            raise UserError(f"provider '{name}' is unknown; auto, {', '.join(PROVIDERS)} would do")
        if PROVIDERS[name] in there:
            chosen.append(PROVIDERS[name])
        else:
            log.warning("provider '%s' was asked for, but this ONNX Runtime has only %s; "
                        'a GPU needs the package onnxruntime-gpu', name, ', '.join(there))
    if PROVIDERS['cpu'] not in chosen:
        chosen.append(PROVIDERS['cpu'])
    return list(dict.fromkeys(chosen))


def _options_of(provider: str) -> dict:
    if provider != PROVIDERS['tensorrt']:
        return {}
    cache = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'),
                         'edge_vision', 'tensorrt')
    os.makedirs(cache, exist_ok=True)
    return {'trt_engine_cache_enable': True, 'trt_engine_cache_path': cache,
            'trt_fp16_enable': True}


def first_line(error: Exception) -> str:
    """Give what an error of ONNX Runtime says first; the rest is for its developers."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class OnnxModel:
    """
    A loaded model file.

    inputs and outputs: as the file declares them. provider: the one that really serves, in the
    short name. metadata: the file's own words about itself.
    """

    def __init__(self, path: str, providers: Sequence[str] = ('auto',), threads: int = 0,
                 spin: bool = True):
        """
        Load `path` with `threads` threads (0: all cores); UserError where it cannot be.

        spin: the threads wait for work without sleeping, ONNX Runtime's default.
        """
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.add_session_config_entry('session.intra_op.allow_spinning', '1' if spin else '0')
        names = providers_for(providers)
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=[(name, _options_of(name)) for name in names])
        except Exception as error:  # onnxruntime's own classes differ from release to release
            if 'INVALID_PROTOBUF' in str(error):
                raise UserError(f'{path} is no ONNX model, or a damaged one') from error
            raise UserError(f'{path} cannot be loaded by ONNX Runtime '
                            f'{onnxruntime.__version__}: {first_line(error)}') from error
        self.path = path
        self.inputs = self._session.get_inputs()
        self.optional_inputs = self._session.get_overridable_initializers()
        self.outputs = [output.name for output in self._session.get_outputs()]
        self.metadata: Dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        used = self._session.get_providers()[0]
        self.provider = next((k for k, v in PROVIDERS.items() if v == used), used)
        self._turns = CORES if self.provider == 'cpu' and threads != 1 else nullcontext()
        if names[0] != used:
            log.warning('%s was asked for, but %s serves: see the messages of ONNX Runtime above',
                        names[0], used)

    def run(self, feeds: Dict[str, np.ndarray]) -> List[np.ndarray]:
        """Run the network, on the CPU in turn; one array for each name of `outputs`."""
        with self._turns:
            return self._session.run(self.outputs, feeds)
