"""torchvision's models, also where its own C++ operators are missing."""

from __future__ import annotations

import torch

_SCHEMA = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'

try:
    import torchvision
except RuntimeError as error:
    # A torchvision built for another torch fails at its import, for two operators that nothing
    # here calls; with their schemas defined the models work. A matching pair never comes here.
    if 'torchvision::' not in str(error):
        raise
    _library = torch.library.Library('torchvision', 'DEF')
    for _name in ('nms', 'qnms'):
        _library.define(_name + _SCHEMA)
    import torchvision

__all__ = ['torchvision']
