"""
Distillation from a stronger detector: what it sees in each training picture, cell by cell.

The teacher is a YOLOX file (Ge et al. 2021) of any width: it has the student's strides, so its
cells are the student's. It looks at the same augmented pictures (Beyer et al. 2022, a patient and
consistent teacher), and the student learns its scores and boxes in all cells. Through a 1x1
convolution that is thrown away afterwards it also learns the features before the last layer
(Romero et al. 2015, FitNets), which tell more things apart than the student's classes. None of
the teacher's weights are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from edge_vision.core.errors import UserError
from edge_vision.core.labels import COCO
import numpy as np
import onnx
from onnx import numpy_helper
import onnxruntime
import torch
from torch import nn
from torch.nn import functional
from training.loss import complete_iou, LossSettings
from training.network import decode_xyxy, Detector, STRIDES

FOREGROUND = 4.0  # how much more a cell's features count where the teacher is sure of an object
SURE = 0.05  # teacher's score from which its box is learned


class Teacher:
    """A YOLOX file that tells its scores, boxes and features."""

    def __init__(self, file: Path, labels: tuple[str, ...], threads: int = 0) -> None:
        """labels: the student's classes, each one of COCO's; threads: 0 for all cores."""
        unknown = [name for name in labels if name not in COCO]
        if unknown:
            raise UserError(f"The teacher {file} knows no '{unknown[0]}'; leave --teacher out.")
        model, self.channels = with_features(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=['CPUExecutionProvider']
        )
        self.columns = [5 + COCO.index(name) for name in labels]

    def look(self, bgr: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """
        See pictures, uint8 [B, S, S, 3].

        Returns scores [B, cells, classes], box numbers [B, cells, 4] as `decode_xyxy` reads them,
        and for each stride the features [B, channels, S / stride, S / stride].
        """
        pictures = bgr.permute(0, 3, 1, 2).float().contiguous().cpu().numpy()
        name = self.session.get_inputs()[0].name
        found = [torch.from_numpy(a) for a in self.session.run(None, {name: pictures})]
        raw, maps = found[0], found[1:]
        box = raw[..., :4].clone()
        box[..., :2] -= 0.5  # YOLOX counts from a cell's corner, the student from its centre
        features = [torch.cat(maps[i : i + 2], 1) for i in range(0, len(maps), 2)]
        return raw[..., self.columns] * raw[..., 4:5], box, features


def with_features(file: Path) -> tuple[onnx.ModelProto, list[int]]:
    """
    Free a YOLOX file's batch and picture size, and make the inputs of its last layers outputs.

    Returns with it for each stride the number of these channels, box and class features together.
    """
    if not file.is_file():
        raise UserError(f'The teacher {file} does not exist.')
    model = onnx.load(str(file))
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    constants = {entry.name: entry for entry in graph.initializer}
    channels: list[int] = []
    taps: list[str] = []
    try:
        joined = made_by[made_by[graph.output[0].name].input[0]]
        for reshape in (made_by[name] for name in joined.input):
            convs = [made_by[name] for name in made_by[reshape.input[0]].input]
            convs = [made_by[n.input[0]] if n.op_type == 'Sigmoid' else n for n in convs]
            box, _, kind = convs
            taps += [box.input[0], kind.input[0]]
            if constants[kind.input[1]].dims[0] != len(COCO):
                break
            channels.append(sum(constants[conv.input[1]].dims[1] for conv in (box, kind)))
            free = np.array([0, 5 + len(COCO), -1], np.int64)
            constants[reshape.input[1]].CopyFrom(numpy_helper.from_array(free, reshape.input[1]))
    except (KeyError, IndexError, ValueError):
        channels = []
    if len(channels) != len(STRIDES):
        raise UserError(f'{file} is not a YOLOX file of 80 classes; a teacher must be one.')
    del graph.value_info[:]
    for value, names in ((graph.input[0], (0, 2, 3)), (graph.output[0], (0, 1))):
        for place in names:
            value.type.tensor_type.shape.dim[place].dim_param = f'{value.name}_{place}'
    graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in taps
    )
    return model, channels


class Pupil(nn.Module):
    """What a student needs only while it learns: from its features to the teacher's."""

    def __init__(self, student: Detector, channels: list[int]) -> None:
        super().__init__()
        self.stems = [student.head8.stem, student.head16.stem, student.head32.stem]
        self.adapt = nn.ModuleList(
            nn.Conv2d(stem.width, count, 1) for stem, count in zip(self.stems, channels)
        )
        for adapt in self.adapt:  # from zero: until it knows something it moves no student
            nn.init.zeros_(cast(nn.Conv2d, adapt).weight)
        self.level = nn.ModuleList(nn.BatchNorm2d(count, affine=False) for count in channels)
        self.kept: list[torch.Tensor] = []
        for stem in self.stems:
            stem.register_forward_hook(self.keep)

    def keep(self, module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        """Keep a stem's output of the forward pass under way."""
        self.kept.append(output)

    def loss(
        self,
        raw: torch.Tensor,
        lesson: tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]],
        centres: torch.Tensor,
        strides: torch.Tensor,
        settings: LossSettings,
    ) -> dict[str, torch.Tensor]:
        """
        Tell how far the student is from the teacher: entropy of scores, boxes, features.

        raw: the student's output [B, cells, 4 + classes], of its newest forward pass.
        """
        scores, box = lesson[0].to(raw.device), lesson[1].to(raw.device)
        features = [wanted.to(raw.device) for wanted in lesson[2]]
        total = scores.sum().clamp(min=1.0)
        entropy = functional.binary_cross_entropy_with_logits(
            raw[..., 4:], scores, reduction='none'
        )
        best = scores.amax(2)
        seen = best > SURE
        apart = 1 - complete_iou(
            decode_xyxy(raw, centres, strides)[seen], decode_xyxy(box, centres, strides)[seen]
        )
        feature = raw.new_zeros(())
        begin = 0
        for own, adapt, level, wanted in zip(self.kept, self.adapt, self.level, features):
            cells_here = wanted.shape[2] * wanted.shape[3]
            weight = 1 + FOREGROUND * best[:, begin : begin + cells_here]
            begin += cells_here
            wrong = (adapt(own.float()) - level(wanted)).square().mean(1).flatten(1)
            feature = feature + (wrong * weight).sum() / weight.sum() / len(features)
        self.kept.clear()
        return {
            'score': entropy.sum() / total,
            'box': settings.box_gain * (apart * best[seen]).sum() / total,
            'feature': feature,
        }
