"""
The detector's network: plain convolutions, shaped by a table of widths.

A single-shot, anchor-free detector. A backbone of one-shot-aggregation blocks (Lee et al. 2019,
VoVNet: a chain of 3x3 convolutions whose outputs are all concatenated and mixed by a 1x1) goes
down to stride 32, a path-aggregation neck (Liu et al. 2018) mixes the strides 8, 16 and 32, and
each of these has a decoupled head (Ge et al. 2021, YOLOX). No convolution has to be as wide as
another one (there is no addition), so any column of the table can be pruned alone, and a pruned
network is again a table and a state dict.
"""

from __future__ import annotations

from itertools import pairwise
import math
from typing import cast

import torch
from torch import nn
from torch.nn import functional

STRIDES = (8, 16, 32)
PRIOR = (
    0.01  # probability that an untrained head gives to each class (Lin et al. 2017, focal loss)
)
START_SIZE = 4.0  # box side of an untrained head, in strides
MAX_LOG_SIZE = 6.0  # exp(6) strides are wider than any picture; keeps a wild activation finite

Widths = dict[str, list[int]]

# A stage's row is [down, first, chain..., out], a neck block's [first, chain..., out], a head's
# [stem, class, box]; `stem` is the two convolutions to stride 4, `pool` the pooled pyramid's
# [squeeze, out], `lower` the two convolutions that go down in the neck.
BASE_WIDTHS: Widths = {
    'stem': [16, 32],
    'stage8': [48, 32, 32, 32, 64],
    'stage16': [96, 64, 64, 64, 128],
    'stage32': [176, 112, 112, 112, 224],
    'pool': [64, 128],
    'up16': [64, 48, 48, 96],
    'up8': [32, 32, 32, 48],
    'lower': [48, 96],
    'down16': [64, 48, 48, 96],
    'down32': [96, 96, 96, 160],
    'head8': [32, 32, 16],
    'head16': [48, 48, 16],
    'head32': [48, 48, 16],
}


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )

    @property
    def width(self) -> int:
        """Number of output channels."""
        return cast(nn.Conv2d, self[0]).out_channels


class Block(nn.Module):
    """One-shot aggregation: 1x1, a chain of 3x3, and a 1x1 over the concatenation of them all."""

    def __init__(self, inputs: int, row: list[int]) -> None:
        super().__init__()
        self.first = Conv(inputs, row[0], 1)
        self.chain = nn.ModuleList(Conv(a, b) for a, b in pairwise(row[:-1]))
        self.out = Conv(sum(row[:-1]), row[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return aggregate(self.first(x), self.chain, self.out)


def aggregate(first: torch.Tensor, chain: nn.ModuleList, out: nn.Module) -> torch.Tensor:
    """Run a chain of convolutions, and `out` over the concatenation of all its maps."""
    parts = [first]
    for conv in chain:
        parts.append(conv(parts[-1]))
    return out(torch.cat(parts, 1))


class Up(Block):
    """A block over a coarser map, doubled, beside a finer one."""

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        coarse, fine = maps
        return super().forward(torch.cat([double(coarse), fine], 1))


class Pool(nn.Module):
    """Max pools of growing reach side by side: the coarsest cells see the whole picture."""

    def __init__(self, inputs: int, row: list[int]) -> None:
        super().__init__()
        self.squeeze = Conv(inputs, row[0], 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.out = Conv(4 * row[0], row[1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [self.squeeze(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.out(torch.cat(parts, 1))


class Head(nn.Module):
    """Boxes and class logits of one stride, from a shared convolution and one more each."""

    def __init__(self, inputs: int, row: list[int], classes: int) -> None:
        super().__init__()
        self.stem = Conv(inputs, row[0])
        self.class_conv = Conv(row[0], row[1])
        self.box_conv = Conv(row[0], row[2])
        self.class_out = nn.Conv2d(row[1], classes, 1)
        self.box_out = nn.Conv2d(row[2], 4, 1)
        nn.init.normal_(self.class_out.weight, std=0.01)
        nn.init.normal_(self.box_out.weight, std=0.01)
        start = math.log(START_SIZE)
        self.class_out.bias = nn.Parameter(torch.full((classes,), math.log(PRIOR / (1 - PRIOR))))
        self.box_out.bias = nn.Parameter(torch.tensor([0.0, 0.0, start, start]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return torch.cat([self.box_out(self.box_conv(x)), self.class_out(self.class_conv(x))], 1)


class Detector(nn.Module):
    """
    The whole network.

    Takes BGR in 0..1, [B, 3, H, W] with sides that are multiples of 32; gives raw box numbers (see
    `decode_xyxy`) and class logits, [B, cells, 4 + classes].
    """

    def __init__(self, widths: Widths, classes: int) -> None:
        super().__init__()
        self.widths = {name: list(row) for name, row in widths.items()}
        self.classes = classes
        w = self.widths
        self.stem = nn.Sequential(
            Conv(3, w['stem'][0], 3, 2), Conv(w['stem'][0], w['stem'][1], 3, 2)
        )
        self.stage8 = stage(w['stem'][1], w['stage8'])
        self.stage16 = stage(w['stage8'][-1], w['stage16'])
        self.stage32 = stage(w['stage16'][-1], w['stage32'])
        self.pool = Pool(w['stage32'][-1], w['pool'])
        self.up16 = Up(w['pool'][-1] + w['stage16'][-1], w['up16'])
        self.up8 = Up(w['up16'][-1] + w['stage8'][-1], w['up8'])
        self.lower16 = Conv(w['up8'][-1], w['lower'][0], 3, 2)
        self.down16 = Block(w['lower'][0] + w['up16'][-1], w['down16'])
        self.lower32 = Conv(w['down16'][-1], w['lower'][1], 3, 2)
        self.down32 = Block(w['lower'][1] + w['pool'][-1], w['down32'])
        self.head8 = Head(w['up8'][-1], w['head8'], classes)
        self.head16 = Head(w['down16'][-1], w['head16'], classes)
        self.head32 = Head(w['down32'][-1], w['head32'], classes)

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Raw prediction maps [B, 4 + classes, S / stride, S / stride], one for each stride."""
        at8 = self.stage8(self.stem(x))
        at16 = self.stage16(at8)
        at32 = self.pool(self.stage32(at16))
        up16 = self.up16(at32, at16)
        out8 = self.up8(up16, at8)
        out16 = self.down16(torch.cat([self.lower16(out8), up16], 1))
        out32 = self.down32(torch.cat([self.lower32(out16), at32], 1))
        return [self.head8(out8), self.head16(out16), self.head32(out32)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([m.flatten(2) for m in self.maps(x)], 2).transpose(1, 2)


def stage(inputs: int, row: list[int]) -> nn.Sequential:
    """Half the resolution, then a block."""
    return nn.Sequential(Conv(inputs, row[0], 3, 2), Block(row[0], row[1:]))


def double(x: torch.Tensor) -> torch.Tensor:
    """Twice the resolution, by repeating."""
    return functional.interpolate(x, scale_factor=2.0, mode='nearest')


def cells(width: int, height: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Centres [cells, 2] (x, y in pixels) and strides [cells] of an input's cells.

    width, height: of the input, in pixels; without a height it is square.
    """
    centres, strides = [], []
    for stride in STRIDES:
        sides = (height or width) // stride, width // stride
        axes = [(torch.arange(side, dtype=torch.float32) + 0.5) * stride for side in sides]
        y, x = torch.meshgrid(axes, indexing='ij')
        centres.append(torch.stack([x, y], -1).reshape(-1, 2))
        strides.append(torch.full((centres[-1].shape[0],), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def decode_xyxy(raw: torch.Tensor, centres: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
    """
    Turn raw box numbers [..., cells, 4] into corners in input pixels.

    They are the centre's offset from the cell's and the logs of width and height, in strides.
    """
    centre = centres + raw[..., :2] * strides[:, None]
    half = torch.exp(raw[..., 2:4].clamp(max=MAX_LOG_SIZE)) * strides[:, None] * 0.5
    return torch.cat([centre - half, centre + half], -1)


def places_of(model: Detector) -> dict[str, tuple[str, int]]:
    """Row and column in the table of each convolution with batch norm, by the layer's name."""
    places: dict[str, tuple[str, int]] = {}
    lengths: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, Conv):  # within a row they come in its order
            part = name.split('.')[0]
            row = 'lower' if part.startswith('lower') else part
            places[name] = row, lengths.get(row, 0)
            lengths[row] = lengths.get(row, 0) + 1
    return places


def widths_of(model: Detector) -> Widths:
    """Read the table back from the layers, as they are after surgery."""
    widths = {row: [0] * len(columns) for row, columns in model.widths.items()}
    for name, (row, column) in places_of(model).items():
        widths[row][column] = cast(Conv, model.get_submodule(name)).width
    return widths
