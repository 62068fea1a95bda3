"""OpenCV's HOG people detector: the baseline that needs no model file."""

from __future__ import annotations

import cv2
from edge_vision.core.detections import Detections
from edge_vision.core.nms import nms
import numpy as np

LONG_SIDE = 480  # pixels; larger pictures are shrunk to keep it near real time


class HogDetector:
    """
    Linear SVM on histograms of oriented gradients (Dalal and Triggs 2005), as OpenCV trains it.

    Same interface as OnnxDetector. Its scores are the SVM's margins, squashed into 0..1.
    """

    provider = 'cpu'
    name = 'hog'
    labels = ('person',)

    def __init__(self, options):
        """Load the coefficients that come with OpenCV."""
        self.options = options
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(
            np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))

    def prepare(self, bgr: np.ndarray):
        """Shrink the picture; gives it with the scale that was used."""
        scale = min(1.0, LONG_SIDE / max(bgr.shape[:2]))
        size = (max(64, round(bgr.shape[1] * scale)), max(128, round(bgr.shape[0] * scale)))
        small = cv2.resize(bgr, size) if size != bgr.shape[1::-1] else bgr
        return small, (size[0] / bgr.shape[1], size[1] / bgr.shape[0]), bgr.shape[1::-1]

    def infer(self, prepared):
        """Slide the window over the picture at several sizes."""
        boxes, margins = self._hog.detectMultiScale(prepared[0], winStride=(8, 8), scale=1.05)
        return boxes, margins

    def finish(self, prepared, outputs) -> Detections:
        """Turn windows into boxes in image pixels."""
        _, scale_xy, image_wh = prepared
        boxes = np.asarray(outputs[0], np.float32).reshape(-1, 4)
        scores = 1 / (1 + np.exp(-np.asarray(outputs[1], np.float32).reshape(-1)))
        boxes[:, 2:] += boxes[:, :2]
        xyxy = np.clip(boxes / np.array(list(scale_xy) * 2, np.float32), 0, list(image_wh) * 2)
        keep = scores >= self.options.score_threshold
        xyxy, scores = xyxy[keep].astype(np.float32), scores[keep]
        rows = nms(xyxy, scores, np.zeros(len(scores), np.int64), self.options.iou_threshold,
                   self.options.max_detections)
        return Detections(xyxy[rows], scores[rows], np.zeros(len(rows), np.int64), self.labels)

    def detect(self, bgr: np.ndarray) -> Detections:
        """Find the people in a picture uint8 (H, W, 3), blue first."""
        prepared = self.prepare(bgr)
        return self.finish(prepared, self.infer(prepared))
