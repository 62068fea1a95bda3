"""What int8 needs to know of activations: pictures to see them on, and their ranges."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edge_vision.core.letterbox import letterbox
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator
from tqdm import tqdm
from training.coco import ImageSet, read_bgr

MOVING = ('Concat', 'MaxPool', 'Resize')  # operators that only move numbers


class Calibration(CalibrationDataReader):
    """Letterboxed pictures of a set, one after the other, as the model's input."""

    def __init__(self, images: ImageSet, count: int, size_wh: tuple[int, int]) -> None:
        """Take `count` pictures spread over the set."""
        step = max(1, len(images.items) // count)
        self._items = iter(tqdm(images.items[::step][:count], desc='calibrate', unit='img'))
        self._size_wh = size_wh

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next picture's feed, None after the last."""
        item = next(self._items, None)
        if item is None:
            return None
        return {'image': letterbox(read_bgr(item.file), self._size_wh)[0][None]}


def tied(graph: onnx.GraphProto, without: Collection[str] = ()) -> list[set[str]]:
    """List the groups of tensors between which numbers only move, but for the nodes `without`."""
    groups: list[set[str]] = []
    for node in graph.node:
        if node.op_type in MOVING and node.name not in without:
            names = node.input if node.op_type == 'Concat' else node.input[:1]
            group = {*names, *node.output}
            for other in [g for g in groups if g & group]:
                groups.remove(other)
                group |= other
            groups.append(group)
    return groups


def shared_ranges(
    file: Path, graph: onnx.GraphProto, calibration: Calibration, without: Collection[str] = ()
) -> dict[str, list[dict[str, np.ndarray]]]:
    """
    Measure one range for each group of `tied` tensors, as quantize_static's TensorQuantOverrides.

    file: the model of `graph`.

    With scales of their own each concatenation would have to compute its inputs anew; with one
    they are copied, which costs a byte's last bit where a range is smaller than its neighbour's.
    """
    calibrator = create_calibrator(
        file, MOVING, str(file.with_suffix('.ranges')), CalibrationMethod.MinMax
    )
    calibrator.collect_data(calibration)
    ranges = {name: data.range_value for name, data in calibrator.compute_data().items()}
    result = {}
    for group in tied(graph, without):
        known = [ranges[name] for name in group if name in ranges]
        low = np.minimum.reduce([r[0] for r in known])
        high = np.maximum.reduce([r[1] for r in known])
        result.update({name: [{'rmin': low, 'rmax': high}] for name in group})
    return result
