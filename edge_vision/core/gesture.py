"""Gesture models: what a hand does (probabilities of classes), and where a fingertip is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from edge_vision.core import onnx_model
from edge_vision.core.errors import UserError
from edge_vision.core.families import Tensor, tensors
from edge_vision.core.labels import labels_from_metadata
from edge_vision.core.letterbox import stretch
from edge_vision.core.onnx_model import DTYPES, find_model, first_line, GESTURE_MODELS, OnnxModel
import numpy as np

CLASSIFICATION, REGRESSION = 'classification', 'regression'
OUTPUTS = {CLASSIFICATION: 'probabilities', REGRESSION: 'points'}
WANTED = {CLASSIFICATION: 'probabilities float32 [1, C], for C classes',
          REGRESSION: 'points float32 [1, P, 2], for P points'}
INDEX = 'index'  # the point that is the fingertip, where the labels name it
SLACK = 1e-3  # by which a probability may leave 0 to 1: float16 and int8 round


@dataclass(frozen=True)
class Gestures:
    """
    The answer of a classifier to one frame: its classes, best first.

    stamp_ns and frame_id are those of the frame; scores: 0 to 1, one for each label.
    """

    stamp_ns: int
    frame_id: str
    labels: Tuple[str, ...]
    scores: Tuple[float, ...]

    @property
    def best(self) -> Tuple[str, float]:
        """Name and score of the best class; ('', 0.0) where there is none."""
        return (self.labels[0], self.scores[0]) if self.labels else ('', 0.0)


@dataclass(frozen=True)
class Fingertip:
    """Where the tip of the index finger is, in pixels of the frame; score: 0 where unknown."""

    stamp_ns: int
    frame_id: str
    xy: Tuple[float, float]
    score: float = 0.0


class MissingModel(UserError):
    """A shipped model is not there; the system runs without it, and one may come."""


class GestureModel:
    """
    A gesture model in an ONNX file of ours.

    task: CLASSIFICATION or REGRESSION. labels: names of the classes or of the points. input_wh:
    in pixels. `prepare` and `infer` are apart so that two models can share the picture.
    """

    def __init__(self, path: str, providers: Sequence[str] = ('auto',), threads: int = 0,
                 spin: bool = False):
        """Load and try out, which also warms up; UserError where the file is no such model."""
        self._model = OnnxModel(path, providers, threads, spin)
        self.path = path
        self.provider = self._model.provider
        inputs = [Tensor(i.name, DTYPES.get(i.type, i.type), tuple(i.shape))
                  for i in self._model.inputs]
        self._found = f'its input is {"; ".join(map(str, inputs))}'
        image = inputs[0]
        if len(inputs) != 1 or image.dtype != 'uint8' or not _is_picture(image.shape):
            self._refuse(f'one image uint8 [1, H, W, 3] with a fixed size and {_any_output()}')
        self._input = image.name
        self.input_wh = (int(image.shape[2]), int(image.shape[1]))
        self._check_outputs(np.zeros((1, *self.input_wh[::-1], 3), np.uint8))

    def _refuse(self, would_do: str) -> None:
        raise UserError(f'{self.path} is no gesture model: {self._found}; {would_do} would do')

    def _check_outputs(self, blob: np.ndarray) -> None:
        try:
            arrays = self._model.run({self._input: blob})
        except Exception as error:  # whatever the graph trips over
            raise UserError(f'{self.path} fails on a picture of {self.input_wh[0]}x'
                            f'{self.input_wh[1]}: {first_line(error)}') from error
        outputs = tensors(self._model.outputs, arrays)
        self._found += f' and its outputs are {"; ".join(map(str, outputs))}'
        task = next((task for task, name in OUTPUTS.items() if name in self._model.outputs), '')
        if not task:
            self._refuse(_any_output())
        self.task = task
        answer = outputs[self._model.outputs.index(OUTPUTS[task])]
        rest = 1 if task == CLASSIFICATION else 2
        if (len(answer.shape) != rest + 1 or answer.shape[0] != 1
                or (task == REGRESSION and answer.shape[2] != 2) or not answer.dtype == 'float32'
                or answer.shape[1] < 1):
            self._refuse(WANTED[task])
        self.labels = self._read_labels(answer.shape[1])
        self._look(blob)

    def _read_labels(self, count: int) -> Tuple[str, ...]:
        labels = labels_from_metadata(self._model.metadata)
        if len(labels) == count:
            return labels
        what = 'classes' if self.task == CLASSIFICATION else 'points'
        raise UserError(
            f"{self.path} gives {count} {what}, but its metadata 'labels' names "
            f'{", ".join(labels) or "none"}; a JSON list of {count} names would do')

    def _look(self, blob: np.ndarray) -> None:
        try:
            self.infer(blob)
        except ValueError as error:
            raise UserError(f'{self.path} is no gesture model: {error}') from error

    def prepare(self, bgr: np.ndarray) -> np.ndarray:
        """Fit a picture uint8 (H, W, 3), blue first, into the input uint8 (1, h, w, 3)."""
        return np.ascontiguousarray(stretch(bgr, self.input_wh))[None]

    def infer(self, blob: np.ndarray) -> np.ndarray:
        """
        Probabilities float32 (C,), or points float32 (P, 2) in 0..1 of width and height.

        Raises ValueError for numbers that cannot be.
        """
        answer = self._model.run({self._input: blob})
        numbers = answer[self._model.outputs.index(OUTPUTS[self.task])][0]
        low, high = float(numbers.min()), float(numbers.max())
        if not np.isfinite([low, high]).all():
            raise ValueError(f'its {OUTPUTS[self.task]} are not finite')
        if self.task == CLASSIFICATION and (low < -SLACK or high > 1 + SLACK):
            raise ValueError(f'its probabilities are from {low:g} to {high:g}, where 0 to 1 '
                             f'would do: the softmax belongs inside the graph')
        return numbers

    def gestures(self, numbers: np.ndarray, stamp_ns: int, frame_id: str) -> Gestures:
        """Give the classes of `infer`'s answer, best first."""
        order = np.argsort(-numbers, kind='stable')
        return Gestures(stamp_ns, frame_id, tuple(self.labels[i] for i in order),
                        tuple(float(numbers[i]) for i in order))

    def fingertip(self, numbers: np.ndarray, size_wh: Tuple[int, int], stamp_ns: int,
                  frame_id: str) -> Fingertip:
        """Give the point named `index`, else the first, inside an image of size_wh pixels."""
        row = self.labels.index(INDEX) if INDEX in self.labels else 0
        x, y = np.clip(numbers[row], 0, 1) * size_wh
        return Fingertip(stamp_ns, frame_id, (float(x), float(y)))


def _is_picture(shape: Sequence) -> bool:
    return (len(shape) == 4 and shape[3] == 3
            and all(isinstance(side, int) and side > 0 for side in shape[1:3])
            and (shape[0] == 1 or not isinstance(shape[0], int)))


def _any_output() -> str:
    return ' or '.join(WANTED.values())


def find_gesture(model: str) -> str:
    """Path of a gesture model given by path or shipped name; UserError as of load_gesture."""
    shipped = onnx_model.MODELS_FOLDER / f'{model.strip()}.onnx'
    if model.strip() in GESTURE_MODELS and onnx_model.named_model(model.strip()) is None:
        raise MissingModel(f"the shipped model '{model.strip()}' is not there: {shipped}")
    return find_model(model, GESTURE_MODELS)


def load_gesture(model: str, task: Optional[str] = None, providers: Sequence[str] = ('auto',),
                 threads: int = 0, spin: bool = False) -> GestureModel:
    """
    Load the gesture model that a path or a shipped model's name tells.

    task: CLASSIFICATION or REGRESSION where only one will do. Raises UserError in one sentence
    for a file that is missing (MissingModel for a shipped one), broken, or of another kind.
    """
    loaded = GestureModel(find_gesture(model), providers, threads, spin)
    if task is not None and loaded.task != task:
        raise UserError(f'{loaded.path} gives {OUTPUTS[loaded.task]} ('
                        f'{", ".join(loaded.labels)}), where a model that gives '
                        f'{OUTPUTS[task]} would do')
    return loaded
