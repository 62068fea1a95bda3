"""PyTorch modules whose weights are look-ups in a small table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize
from training.sharing.shared import Shared


class TableLookup(nn.Module):
    """
    A weight as a look-up in a table [rows, k], which becomes the parameter.

    Its gradient in each value of the table is the sum of the gradients of the weights that share
    it (Han, Mao, Dally 2016). Values that are exactly zero stay zero.
    """

    places: torch.Tensor
    live: torch.Tensor

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self.shared = shared
        self.register_buffer('places', torch.from_numpy(shared.places.reshape(-1)))
        self.register_buffer('live', torch.from_numpy((shared.table != 0).astype(np.float32)))

    def forward(self, table: torch.Tensor) -> torch.Tensor:
        values = (table * self.live).reshape(-1)
        return values.index_select(0, self.places).reshape(self.shared.index.shape)

    def right_inverse(self, _: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.shared.table.copy())


def attach(network: nn.Module, layers: Mapping[str, Shared]) -> None:
    """Make the weights of these modules look-ups, whose tables are parameters."""
    for name, shared in layers.items():
        module = network.get_submodule(name)
        parametrize.register_parametrization(module, 'weight', TableLookup(shared))


def detach(network: nn.Module, names: Iterable[str]) -> dict[str, Shared]:
    """Make the weights plain parameters again; return what they share now, ascending again."""
    result = {}
    for name in names:
        module = cast(Any, network.get_submodule(name))
        chain = module.parametrizations['weight']
        lookup = chain[0]
        table = (chain.original * lookup.live).detach().numpy()
        result[name] = ascending(replace(lookup.shared, table=table))
        parametrize.remove_parametrizations(module, 'weight')
    return result


def ascending(shared: Shared) -> Shared:
    """Sort each row of the table; the weights stay the same."""
    order = np.argsort(shared.table, 1, kind='stable')
    rank = np.argsort(order, 1).astype(np.uint8)
    index = rank.reshape(-1)[shared.places]
    return Shared(np.take_along_axis(shared.table, order, 1), index)
