"""The network as it is exported: the same function with fewer and cheaper operators."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn import functional
from training.network import aggregate, Conv, Detector, double, Head, Pool, Up


def plain(conv: Conv) -> nn.Conv2d:
    """Return the convolution of a folded Conv, which has a bias."""
    return cast(nn.Conv2d, conv[0])


def with_weights(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Conv2d:
    """Make a convolution of stride 1 that keeps the size of its input."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=bias is not None)
    conv.padding = (weight.shape[2] // 2, weight.shape[3] // 2)
    conv.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().clone())
    return conv


class FusedUp(nn.Module):
    """
    An Up whose first convolution does not wait for the doubled map.

    A 1x1 convolution and doubling can change places, and a convolution of a concatenation is the
    sum of two: the coarse half is computed at a quarter of the cells, and nothing is joined.
    """

    def __init__(self, up: Up, coarse_width: int) -> None:
        super().__init__()
        first = plain(up.first)
        self.coarse = with_weights(first.weight[:, :coarse_width], None)
        self.fine = with_weights(first.weight[:, coarse_width:], first.bias)
        self.chain, self.out = up.chain, up.out

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        first = functional.relu(self.fine(fine) + double(self.coarse(coarse)))
        return aggregate(first, self.chain, self.out)


class FusedHead(nn.Module):
    """A Head with its two branches side by side in one convolution each."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.stem = head.stem
        box, kind = plain(head.box_conv), plain(head.class_conv)
        biases = [cast(torch.Tensor, conv.bias) for conv in (box, kind)]
        self.both = with_weights(torch.cat([box.weight, kind.weight]), torch.cat(biases))
        outs = (head.box_out, head.class_out)
        weight = torch.block_diag(*(conv.weight[:, :, 0, 0] for conv in outs))
        bias = torch.cat([cast(torch.Tensor, conv.bias) for conv in outs])
        self.map_out = with_weights(weight[:, :, None, None], bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.map_out(functional.relu(self.both(self.stem(x))))


def interleaved(first: nn.Conv2d) -> nn.Conv2d:
    """
    Return the first convolution for a picture as it lies in memory, [B, 1, S, 3 S].

    A row of pixels of three channels is a row of numbers, which a kernel three times as wide
    reads in steps three times as long: nothing has to be transposed.
    """
    (high, wide), (down, right) = first.kernel_size, first.stride
    above, left = cast(tuple[int, int], first.padding)
    count = first.in_channels
    conv = nn.Conv2d(
        1,
        first.out_channels,
        (high, wide * count),
        (down, right * count),
        (above, left * count),
    )
    weight = first.weight.detach().permute(0, 2, 3, 1)
    conv.weight = nn.Parameter(weight.reshape(first.out_channels, 1, high, wide * count))
    conv.bias = first.bias
    return conv


def fused(model: Detector) -> Detector:
    """Copy for inference: batch norm folded into the convolutions, heads and joins fused."""
    copy = Detector(model.widths, model.classes)
    copy.load_state_dict({k: v.float().cpu() for k, v in model.state_dict().items()})
    copy.eval()
    for module in list(copy.modules()):
        if isinstance(module, Conv):
            norm = cast(nn.BatchNorm2d, module[1])
            module[0] = nn.utils.fuse_conv_bn_eval(plain(module), norm)
            module[1] = nn.Identity()
    ups: dict[str, Pool | Up] = {'up16': model.pool, 'up8': model.up16}  # and what comes to them
    for name, coarser in ups.items():
        setattr(copy, name, FusedUp(getattr(copy, name), coarser.out.width))
    for name in ('head8', 'head16', 'head32'):
        setattr(copy, name, FusedHead(getattr(copy, name)))
    return copy
