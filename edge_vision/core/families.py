"""Which detector family a model file belongs to, told from its inputs and outputs."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from edge_vision.core import decoders
from edge_vision.core.errors import UserError
import numpy as np


class Tensor(NamedTuple):
    """An input or output of a model: its name, its type in words, its shape."""

    name: str
    dtype: str
    shape: Tuple[int, ...]

    def __str__(self):
        """Say it as in `images float32 [1, 3, 416, 416]`."""
        return f'{self.name} {self.dtype} {list(self.shape)}'


class Family(NamedTuple):
    """
    How to feed a family of detectors and read its answer.

    rgb: channel order of the input. scale: factor on 0..255. stretch: plain resize instead of
    letterbox. suppress: NMS is still to be done. decode: see decoders.py. classes(outputs):
    number of classes, 0 where the outputs do not tell.
    """

    decode: Callable
    rgb: bool = False
    scale: float = 1.0
    stretch: bool = False
    suppress: bool = True
    classes: Callable[[Sequence[Tensor]], int] = lambda outputs: 0


def _last(extra: int) -> Callable[[Sequence[Tensor]], int]:
    return lambda outputs: outputs[0].shape[-1] - extra


FAMILIES: Dict[str, Family] = {
    'own': Family(decoders.end_to_end, suppress=False),
    'yolox': Family(decoders.yolox, classes=_last(5)),
    'yolov5': Family(decoders.yolov5, rgb=True, scale=1 / 255, classes=_last(5)),
    'yolov8': Family(decoders.yolov8, rgb=True, scale=1 / 255,
                     classes=lambda outputs: outputs[0].shape[1] - 4),
    'end_to_end': Family(decoders.end_to_end, rgb=True, scale=1 / 255, suppress=False),
    'torchvision': Family(decoders.torchvision, rgb=True, scale=1 / 255, suppress=False,
                          classes=lambda outputs: 91),
    'fastestdet': Family(decoders.fastestdet, scale=1 / 255, stretch=True,
                         classes=lambda outputs: outputs[0].shape[1] - 5),
}


def _cells(size_wh) -> int:
    return sum((size_wh[0] // s) * (size_wh[1] // s) for s in decoders.STRIDES)


def _guess(image: Tensor, size_wh, outputs: Sequence[Tensor]) -> Optional[str]:
    shapes = [output.shape for output in outputs]
    if image.dtype == 'uint8' and shapes[0][-1:] == (6,):
        return 'own'
    if len(shapes) == 3 and sorted(map(len, shapes)) == [1, 1, 2]:
        return 'torchvision'
    first, cells = shapes[0], _cells(size_wh)
    if len(first) == 4 and first[1] > 5 and first[2:] == (size_wh[1] // 16, size_wh[0] // 16):
        return 'fastestdet'
    if len(first) == 3:
        if first[1] == cells and first[2] > 5:
            return 'yolox'
        if first[1] == 3 * cells and first[2] > 5:
            return 'yolov5'
        if first[2] == cells and first[1] > 4:
            return 'yolov8'
    if first[-1:] == (6,) and (len(first) == 2 or (len(first) == 3 and first[0] == 1)):
        return 'end_to_end'
    return None


def recognise(path: str, image: Tensor, size_wh, outputs: Sequence[Tensor],
              wanted: str = 'auto') -> str:
    """
    Name the family of a model.

    outputs: with the shapes of a trial run, as files often leave them open. wanted: a family's
    name, or 'auto'. Raises UserError where nothing fits, saying what was found.
    """
    if wanted in FAMILIES:
        return wanted
    if wanted not in ('', 'auto'):
        raise UserError(f"model_family '{wanted}' is unknown; auto, {', '.join(FAMILIES)} "
                        f'would do')
    name = _guess(image, size_wh, outputs) if outputs else None
    if name is None:
        found = '; '.join(map(str, outputs))
        raise UserError(f'{path} fits no detector that is known here: its input is {image} and '
                        f'its outputs are {found}; a model of {", ".join(FAMILIES)} would do, '
                        f'or name its family with the parameter model_family')
    return name


def layout_of(shape: Sequence, dtype: str) -> Optional[str]:
    """Tell 'nchw', 'chw' or 'nhwc' from an input's shape (open numbers are strings or None)."""
    if dtype not in ('uint8', 'float32', 'float16'):
        return None
    if len(shape) == 4 and shape[1] == 3:
        return 'nchw'
    if len(shape) == 4 and shape[3] == 3:
        return 'nhwc'
    return 'chw' if len(shape) == 3 and shape[0] == 3 else None


def tensors(names: Sequence[str], arrays: List[np.ndarray]) -> List[Tensor]:
    """Describe the outputs of a trial run."""
    return [Tensor(name, str(array.dtype), tuple(array.shape))
            for name, array in zip(names, arrays)]
