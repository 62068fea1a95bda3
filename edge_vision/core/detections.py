"""The value that travels from the detector to everybody else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

import numpy as np

NO_TRACK = 0  # the id of a box that belongs to no confirmed track; tracks count from 1


@dataclass(frozen=True)
class Detections:
    """
    What was found in one image, best score first.

    xyxy: float32 (N, 4), corners x0, y0, x1, y1 in pixels of the image.
    scores: float32 (N,), 0 to 1.
    class_index: int64 (N,), index into labels.
    labels: the class names of the model.
    track_ids: int64 (N,) or None, steady from frame to frame where a tracker gave them;
    NO_TRACK for a box that has none (yet).
    """

    xyxy: np.ndarray
    scores: np.ndarray
    class_index: np.ndarray
    labels: Tuple[str, ...]
    track_ids: Optional[np.ndarray] = None

    def __post_init__(self):
        """Check the shapes once, so that nobody has to do it later."""
        n = len(self.scores)
        if self.xyxy.shape != (n, 4):
            raise ValueError(f'xyxy must be ({n}, 4) as there are {n} scores, '
                             f'but its shape is {self.xyxy.shape}')
        if self.class_index.shape != (n,):
            raise ValueError(f'class_index must be ({n},), but its shape is '
                             f'{self.class_index.shape}')
        if self.track_ids is not None and self.track_ids.shape != (n,):
            raise ValueError(f'track_ids must be ({n},), but its shape is '
                             f'{self.track_ids.shape}')

    def __len__(self):
        """Count the boxes."""
        return len(self.scores)

    @staticmethod
    def empty(labels: Tuple[str, ...] = ()) -> Detections:
        """Nothing found."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32),
                          np.zeros(0, np.int64), labels)

    def select(self, index: np.ndarray) -> Detections:
        """Keep the rows of a boolean mask or of an index array."""
        ids = None if self.track_ids is None else self.track_ids[index]
        return replace(self, xyxy=self.xyxy[index], scores=self.scores[index],
                       class_index=self.class_index[index], track_ids=ids)

    def track(self, row: int) -> Optional[int]:
        """Give the number of one row's track; None where it has none."""
        number = NO_TRACK if self.track_ids is None else int(self.track_ids[row])
        return None if number == NO_TRACK else number

    def name(self, row: int) -> str:
        """Class name of one row; a class that the labels do not know is named by its number."""
        index = int(self.class_index[row])
        return self.labels[index] if 0 <= index < len(self.labels) else f'class_{index}'
