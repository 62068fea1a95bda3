"""Class names."""

from __future__ import annotations

import ast
import json
import logging
from typing import Dict, Tuple

log = logging.getLogger(__name__)

COCO = tuple((
    'person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,'
    'stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,'
    'backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,'
    'baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,'
    'knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,'
    'chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,'
    'cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,'
    'hair drier,toothbrush').split(','))

# torchvision counts by the category numbers of COCO, which have gaps, from 1; 0 is background
_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
_names = iter(COCO)
COCO_91 = tuple('background' if i == 0 else f'class_{i}' if i in _GAPS else next(_names)
                for i in range(91))


def labels_from_metadata(metadata: Dict[str, str]) -> Tuple[str, ...]:
    """
    Class names that a model file carries, or () where it carries none that can be read.

    Knows `labels` (ours: a JSON list) and `names` (Ultralytics: a Python dict of index to name).
    """
    for key, read in (('labels', json.loads), ('names', ast.literal_eval)):
        if key not in metadata:
            continue
        try:
            names = read(metadata[key])
            if isinstance(names, dict):
                names = [names[index] for index in range(len(names))]
            if not isinstance(names, list):
                raise ValueError('no list')
            return tuple(str(name) for name in names)
        except (ValueError, SyntaxError, KeyError, TypeError) as error:
            log.warning("the model's own class names ('%s' in its metadata) cannot be read (%s): "
                        'names are given by number', key, error)
    return ()


def default_labels(count: int) -> Tuple[str, ...]:
    """Names for a model that carries none: COCO's where the number says so."""
    if count == len(COCO):
        return COCO
    if count == len(COCO_91):
        return COCO_91
    return ('object',) if count == 1 else tuple(f'class_{i}' for i in range(count))
