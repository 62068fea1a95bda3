"""
ResNet-18 (He et al. 2016) with its last layer replaced, by torchvision's names.

Classification: a fully connected layer on the pooled features, as torchvision has it. Points: a
1 x 1 convolution on the last map gives each of its cells, for each point, a score and an offset;
the point is the mean of the cells' guesses, weighed by the softmax of their scores (integral
regression: Sun et al. 2018; DSNT, Nibali et al. 2018). The scores say where the point is, which a
network without ImageNet weights learns far sooner than coordinates out of pooled features, and
the offsets reach what lies between the cells and at the picture's border.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import pickle
import socket
from urllib.error import URLError

from edge_vision.core.errors import UserError
import torch
from torch import nn
from torch.nn import functional
from training.gesture.vision import torchvision

BasicBlock, ResNet = torchvision.models.resnet.BasicBlock, torchvision.models.resnet.ResNet

CLASSIFICATION, REGRESSION = 'classification', 'regression'
TASKS = (CLASSIFICATION, REGRESSION)
WIDTH = 64  # channels of ResNet-18's first layer
STRIDE = 32  # pixels from one cell of the last map to the next; sides are multiples of it
DOWNLOAD_TIMEOUT_S = 20.0
MEAN_RGB, STD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class GestureNet(ResNet):  # type: ignore[valid-type,misc]
    """
    ResNet-18 for C classes or P points.

    Input: float [B, 3, S, S], RGB, normalised (see to_input), S a multiple of 32. Output: logits
    [B, C], or points [B, P, 2], x and y in 0..1 of the picture (a little beyond at times).
    pretrained: whether the backbone comes from another training.
    """

    def __init__(self, task: str, count: int, width: int = WIDTH) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes=count)
        self.task, self.count, self.width, self.pretrained = task, count, width, False
        if width != WIDTH:  # a small one, for tests and trials
            self.inplanes = width
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.layer1 = self._make_layer(BasicBlock, width, 2)
            self.layer2 = self._make_layer(BasicBlock, 2 * width, 2, stride=2)
            self.layer3 = self._make_layer(BasicBlock, 4 * width, 2, stride=2)
            self.layer4 = self._make_layer(BasicBlock, 8 * width, 2, stride=2)
        self.fc: nn.Module = nn.Linear(8 * width, count)
        if task == REGRESSION:
            self.fc = nn.Conv2d(8 * width, 3 * count, 1)
            nn.init.normal_(self.fc.weight, std=0.01)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Everything before the last layer: [B, 512] for classes, the map [B, 512, h, w] else."""
        return self.late(self.early(x))

    def early(self, x: torch.Tensor) -> torch.Tensor:
        """Everything before layer4."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer3(self.layer2(self.layer1(x)))

    def late(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the features of what `early` returned."""
        x = self.layer4(x)
        return x if self.task == REGRESSION else torch.flatten(self.avgpool(x), 1)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits [B, C] or points [B, P, 2] of what `features` returned."""
        if self.task == CLASSIFICATION:
            return self.fc(features)
        return self.points(*self.guesses(features))

    def guesses(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores [B, P, h, w] of the cells and their offsets [B, 2, P, h, w], in cells."""
        raw = self.fc(features)
        rows, columns = raw.shape[2:]
        raw = raw.float().reshape(-1, 3, self.count, rows, columns)
        return raw[:, 0], raw[:, 1:]

    def points(self, scores: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """Weighed mean [B, P, 2] of the guesses."""
        rows, columns = scores.shape[2:]
        share = functional.softmax(scores.reshape(-1, self.count, rows * columns), 2)
        # With this padding the cell i looks at the pixel 32 i, not at the middle of its square.
        x = torch.arange(columns, device=scores.device).float().reshape(1, 1, 1, columns)
        y = torch.arange(rows, device=scores.device).float().reshape(1, 1, rows, 1)
        guess_x = (x + offsets[:, 0]).reshape(-1, self.count, rows * columns)
        guess_y = (y + offsets[:, 1]).reshape(-1, self.count, rows * columns)
        return torch.stack(
            [(share * guess_x).sum(2) / columns, (share * guess_y).sum(2) / rows], 2
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """All but the last layer's."""
        return [p for name, p in self.named_parameters() if not name.startswith('fc.')]


def to_input(bgr: torch.Tensor) -> torch.Tensor:
    """Turn uint8 [B, S, S, 3], BGR, into what the network reads."""
    rgb = bgr.permute(0, 3, 1, 2).flip(1).float() / 255.0
    mean = torch.tensor(MEAN_RGB, device=bgr.device).reshape(1, 3, 1, 1)
    std = torch.tensor(STD_RGB, device=bgr.device).reshape(1, 3, 1, 1)
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)


def make_network(
    task: str, count: int, weights: str | Path = 'none', width: int = WIDTH
) -> GestureNet:
    """
    Make a network for `count` classes or points.

    weights: 'imagenet' (through torchvision, random with a notice where there is no network),
    'none' (random), or a file with a state dict by torchvision's names.
    """
    if task not in TASKS:
        raise UserError(f"The task is '{task}'; it can be {' or '.join(TASKS)}.")
    model = GestureNet(task, count, width)
    if str(weights) == 'imagenet':
        state = imagenet_weights()
        if state is not None:
            load_backbone(model, state, 'the ImageNet weights')
    elif str(weights) != 'none':
        load_backbone(model, read_state_dict(Path(weights)), str(weights))
    return model


def imagenet_weights() -> Mapping[str, torch.Tensor] | None:
    """Return torchvision's weights, or None with a notice where they cannot be had."""
    before_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        return torchvision.models.ResNet18_Weights.IMAGENET1K_V1.get_state_dict(
            progress=True, check_hash=True
        )
    except (URLError, OSError, RuntimeError) as error:  # RuntimeError: a broken download
        reason = getattr(error, 'reason', error)
        print(
            f'The ImageNet weights cannot be had here ({reason}): the whole network is trained'
            ' from random weights, which needs more pictures and time.',
            flush=True,
        )
        return None
    finally:
        socket.setdefaulttimeout(before_s)


def read_state_dict(file: Path) -> Mapping[str, torch.Tensor]:
    """Read a file with a state dict, as torchvision's downloads are."""
    if not file.is_file():
        raise UserError(f"The weights '{file}' are neither imagenet, none, nor a file.")
    try:
        state = torch.load(file, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f'{file} holds no weights that torch can read.') from error
    if not isinstance(state, Mapping) or 'conv1.weight' not in state:
        raise UserError(f"{file} holds no weights of a ResNet by torchvision's names.")
    return state


def load_backbone(model: GestureNet, state: Mapping[str, torch.Tensor], origin: str) -> None:
    """Load all but the last layer; what does not fit ends in a sentence."""
    own = model.state_dict()
    wanted = [k for k in own if not k.startswith('fc.') and not k.endswith('num_batches_tracked')]
    unfit = [k for k in wanted if k not in state or state[k].shape != own[k].shape]
    if unfit:
        raise UserError(
            f'{origin}: {len(unfit)} of {len(wanted)} tensors do not fit ResNet-18,'
            f' {unfit[0]} among them.'
        )
    own.update({k: state[k].to(own[k].dtype) for k in wanted})
    model.load_state_dict(own)
    model.pretrained = True
