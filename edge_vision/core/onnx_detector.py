"""A detector in an ONNX file, of any family that is known."""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

import cv2
from edge_vision.core.detections import Detections
from edge_vision.core.errors import UserError
from edge_vision.core.families import FAMILIES, layout_of, recognise, Tensor, tensors
from edge_vision.core.labels import default_labels, labels_from_metadata
from edge_vision.core.letterbox import boxes_to_image, letterbox
from edge_vision.core.nms import nms
from edge_vision.core.onnx_model import DTYPES, first_line, OnnxModel
from edge_vision.core.options import Options
import numpy as np


class Prepared(NamedTuple):
    """The network's input, with what is needed to bring boxes back to the image."""

    blob: np.ndarray
    scale_xy: Tuple[float, float]
    image_wh: Tuple[int, int]


class OnnxDetector:
    """
    A detector in an ONNX file.

    `detect` is `prepare`, `infer` and `finish` in a row; they are apart so that they can be
    timed, and run in different threads.
    """

    def __init__(self, path: str, options: Options):
        """Load, find out the family by a trial run (which also warms up), name the classes."""
        self.options = options
        self._model = OnnxModel(path, options.providers, options.threads, options.spin)
        self._check_task()
        self.name = path
        self.provider = self._model.provider
        self._image = self._check_inputs()
        outputs = self._trial_run()
        self.family = recognise(path, Tensor(self._image.name, self._dtype,
                                             tuple(self._image.shape)),
                                self.input_wh, outputs, options.model_family)
        self._family = FAMILIES[self.family]
        self._optional = {i.name for i in self._model.optional_inputs}
        self.labels = (options.labels or labels_from_metadata(self._model.metadata)
                       or default_labels(self._family.classes(outputs) or 1))
        self.detect(np.zeros((self.input_wh[1], self.input_wh[0], 3), np.uint8))

    def _check_task(self) -> None:
        # by its shapes alone, six probabilities would pass for a box
        task = self._model.metadata.get('task', '')
        if task in ('classification', 'regression'):
            raise UserError(f'{self._model.path} is no detector but a model for {task}; the '
                            f'gesture node takes those of gestures and fingertips')

    def _check_inputs(self):
        inputs = self._model.inputs
        image = inputs[0]
        self._dtype = DTYPES.get(image.type, image.type)
        layout = layout_of(image.shape, self._dtype)
        if len(inputs) != 1 or layout is None:
            found = '; '.join(str(Tensor(i.name, DTYPES.get(i.type, i.type), tuple(i.shape)))
                              for i in inputs)
            raise UserError(f'{self._model.path} fits no detector that is known here: its inputs '
                            f'are {found}; one image, [1, 3, H, W] float or [1, H, W, 3] uint8, '
                            f'would do')
        self._layout = layout
        sides = {'nchw': image.shape[2:], 'chw': image.shape[1:],
                 'nhwc': image.shape[1:3]}[layout]
        height, width = (s if isinstance(s, int) and s > 0 else self.options.input_size
                         for s in sides)
        self.input_wh = (width, height)
        return image

    def _trial_run(self) -> Sequence[Tensor]:
        height_width = self.input_wh[::-1]
        shape = {'nchw': (1, 3, *height_width), 'chw': (3, *height_width),
                 'nhwc': (1, *height_width, 3)}[self._layout]
        try:
            arrays = self._model.run({self._image.name: np.zeros(shape, self._dtype)})
        except Exception as error:  # whatever the graph trips over
            raise UserError(f'{self._model.path} fails on an image of {self.input_wh[0]}x'
                            f'{self.input_wh[1]}: {first_line(error)}') from error
        return tensors(self._model.outputs, arrays)

    def prepare(self, bgr: np.ndarray) -> Prepared:
        """Fit a picture uint8 (H, W, 3) into the network's input."""
        image_wh = (bgr.shape[1], bgr.shape[0])
        if self._family.stretch:
            fitted = cv2.resize(bgr, self.input_wh)
            scale_xy = (self.input_wh[0] / image_wh[0], self.input_wh[1] / image_wh[1])
        else:
            fitted, scale = letterbox(bgr, self.input_wh)
            scale_xy = (scale, scale)
        return Prepared(self._as_input(fitted), scale_xy, image_wh)

    def _as_input(self, fitted: np.ndarray) -> np.ndarray:
        channels = slice(None, None, -1) if self._family.rgb else slice(None)
        scale = np.float32(self._family.scale)
        if self._layout == 'nhwc':
            blob = np.ascontiguousarray(fitted[None, ..., channels])
            return blob if self._dtype == 'uint8' else (blob * scale).astype(self._dtype)
        blob = np.empty((1, 3, *fitted.shape[:2]), self._dtype)
        for plane, into in zip(cv2.split(fitted)[channels], blob[0]):
            if scale == 1:
                into[...] = plane
            else:
                np.multiply(plane, scale, out=into, casting='unsafe')
        return blob[0] if self._layout == 'chw' else blob

    def infer(self, prepared: Prepared):
        """Run the network; own models get the thresholds as inputs."""
        feeds = {self._image.name: prepared.blob}
        options = self.options
        for name, value in (('score_threshold', np.float32(options.score_threshold)),
                            ('iou_threshold', np.float32(options.iou_threshold)),
                            ('max_detections', np.int64(options.max_detections))):
            if name in self._optional:
                feeds[name] = np.array([value])
        return self._model.run(feeds)

    def finish(self, prepared: Prepared, outputs) -> Detections:
        """Decode the outputs, suppress doubles, and give boxes in pixels of the image."""
        options, family = self.options, self._family
        xyxy, scores, index = family.decode(outputs, self.input_wh, options.score_threshold)
        if options.classes:  # before the best are chosen, or unwanted ones would take the places
            wanted = [i for i, name in enumerate(self.labels) if name in options.classes]
            rows = np.flatnonzero(np.isin(index, wanted))
            xyxy, scores, index = xyxy[rows], scores[rows], index[rows]
        if family.suppress:
            rows = nms(xyxy, scores, index, options.iou_threshold, options.max_detections)
        else:
            rows = np.argsort(-scores, kind='stable')[:options.max_detections]
        xyxy = boxes_to_image(xyxy[rows], prepared.scale_xy, prepared.image_wh)
        return Detections(xyxy, scores[rows], index[rows], self.labels)

    def detect(self, bgr: np.ndarray) -> Detections:
        """Find what is in a picture uint8 (H, W, 3), blue first."""
        prepared = self.prepare(bgr)
        return self.finish(prepared, self.infer(prepared))
