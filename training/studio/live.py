"""What the models say of the newest picture, one picture and one model at a time."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import time
from typing import Any

from edge_vision.core.gesture import GestureModel
import numpy as np

KEPT_MODELS = 6  # in memory: those of the compress view, and one more
THREADS = 1  # so that the picture and the page go on beside it


class Live:
    """Loaded models, by file; a file that was replaced is loaded again."""

    def __init__(self) -> None:
        """Start with none."""
        self._models: OrderedDict[Path, tuple[int, GestureModel]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, 'live')

    def _load(self, path: Path) -> GestureModel:
        changed_ns = path.stat().st_mtime_ns if path.exists() else 0
        known = self._models.get(path)
        if known is None or known[0] != changed_ns:
            self._models[path] = (changed_ns, GestureModel(str(path), threads=THREADS))
        self._models.move_to_end(path)
        while len(self._models) > KEPT_MODELS:
            self._models.popitem(last=False)
        return self._models[path][1]

    def look(self, path: Path, bgr: np.ndarray) -> dict[str, Any]:
        """
        Give what the model in `path` says of a picture; in any thread but the event loop's.

        UserError for a file that is no gesture model.
        """
        return self._thread.submit(self._look, path, bgr).result()

    def _look(self, path: Path, bgr: np.ndarray) -> dict[str, Any]:
        model = self._load(path)
        start_s = time.perf_counter()
        numbers = model.infer(model.prepare(bgr))
        return {
            'task': model.task,
            'labels': list(model.labels),
            'numbers': np.round(numbers, 4).tolist(),
            'ms': round(1000 * (time.perf_counter() - start_s), 1),
        }

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
