"""
Make a model file several times smaller: the weights of a layer share a few values.

    python -m training.cluster --model gesture.onnx --clusters 16 --out gesture_k16.onnx

KMeans gives each layer (--per row: each output row) its values; the file then holds a packed index
for each weight, of 1, 1.6, 2, 3, 4, 5, 6 or 8 bits, and the small table of values. ONNX Runtime
unpacks them once, when it loads the file, so that the model runs as fast as before. The first
layer, biases and what else is small stay as they are, unless named. Few values cost accuracy;
training the shared values (Han, Mao, Dally 2016) gets most of it back: gesture networks learn to
answer as before, detectors from their labels.

    python -m training.cluster --model gesture.onnx --clusters 3 --out gesture_k3.onnx \
        --checkpoint runs/gesture/best.pt --data gesture --finetune-epochs 2

--checkpoint is the one that the model file was exported of, --data what it was trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import json
from pathlib import Path

from edge_vision.core.errors import UserError
import numpy as np
import onnx
import torch
from tqdm import tqdm
from training.errors import run
from training.sharing.graph import with_shared
from training.sharing.layers import check_plain, choose, layer_names, read_model, weights_of
from training.sharing.packing import bits_per_weight, MOST_CLUSTERS
from training.sharing.shared import share, Shared
from training.sharing.tasks import read_task
from training.sharing.tune import TuneSettings
from training.sharing.tuned import tuned

LEAST_CLUSTERS = 2


def share_layers(
    model: onnx.ModelProto,
    layers: Sequence[str],
    clusters: int,
    *,
    by_row: bool = False,
    zero: bool = False,
    quiet: bool = False,
) -> dict[str, Shared]:
    """
    Share the weights of layers ('last', 'all', or names), by the weights' names.

    Of 'all', layers with too few distinct weights are left as they are; a layer that was named
    ends in a UserError.
    """
    weights, names = weights_of(model), layer_names(model)
    result: dict[str, Shared] = {}
    problem = ''
    bar = tqdm(choose(model, layers), 'cluster', unit='layer', mininterval=1, disable=quiet)
    for weight in bar:
        try:
            result[weight] = share(weights[weight], clusters, by_row, zero)
        except UserError as error:
            problem = f'Layer {names[weight]}: {error}'
            if list(layers) != ['all']:
                raise UserError(problem) from None
    if not result:
        raise UserError(problem)
    return result


def table_of(
    layers: Mapping[str, Shared], weights: Mapping[str, np.ndarray], names: Mapping[str, str]
) -> str:
    """Lines of text: each layer's weights, the error of sharing, zeros, and the first values."""
    width = max(len(name) for name in names.values())
    lines = [f'{"layer":{width}}  {"weights":>9}  {"error":>6}  {"zeros":>5}  shared values']
    for weight, shared in layers.items():
        now, before = shared.weight, weights[weight]
        error = float(np.sqrt(np.square(now - before).mean() / np.square(before).mean()))
        values = ' '.join(f'{v:.4g}' for v in shared.table[0][:6])
        more = ' ...' if shared.table.size > 6 else ''
        lines.append(
            f'{names[weight]:{width}}  {now.size:9}  {error:6.1%}  {shared.sparsity:5.0%}'
            f'  {values}{more}'
        )
    return '\n'.join(lines)


def summary(layers: Mapping[str, Shared]) -> dict:
    """Say what was shared: how many layers and weights, bits for each, and the share of zeros."""
    count = sum(shared.index.size for shared in layers.values())
    zeros = sum(shared.sparsity * shared.index.size for shared in layers.values())
    return {
        'layers': len(layers),
        'weights': count,
        'bits': bits_per_weight(next(iter(layers.values())).clusters),
        'sparsity': round(zeros / count, 4),
    }


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--model', type=Path, required=True, help='float32 model file')
    add('--clusters', type=int, required=True, help='values that the weights share, 2 to 256')
    add(
        '--layers',
        default='all',
        help="'all', 'last' (the head), or names with commas between them; the name of a group"
        ' such as layer4 means all layers in it (default: %(default)s)',
    )
    add('--per', choices=('layer', 'row'), default='layer', help='(default: %(default)s)')
    add('--zero-smallest', action='store_true', help='the value nearest zero becomes zero')
    add('--seed', type=int, default=0, help='of fine-tuning (default: %(default)s)')
    add('--checkpoint', type=Path, help='what the model file was exported of (fine-tuning)')
    add('--data', type=Path, help='what to train on: class folders, CSV of points, COCO file')
    add('--images', type=Path, help='its image folder (default: X/ beside X.csv or X.json)')
    add('--boxes', type=Path, help='CSV of the hands in class folders, as train_gesture --boxes')
    add('--finetune-epochs', type=int, default=0, help='(default: %(default)s)')
    add('--threads', type=int, default=0, help='CPU threads (0: as torch chooses)')
    add('--lr', type=float, default=TuneSettings.lr, help='(default: %(default)s)')
    add('--out', type=Path, required=True, help='model file to write')
    return parser.parse_args()


def main() -> None:
    args = parse()
    if not LEAST_CLUSTERS <= args.clusters <= MOST_CLUSTERS:
        raise UserError(f'--clusters is {args.clusters}; it can be 2 to {MOST_CLUSTERS}.')
    if args.finetune_epochs > 0 and not (args.checkpoint and args.data):
        raise UserError('--finetune-epochs needs --checkpoint and --data.')
    model = read_model(args.model)
    check_plain(model, str(args.model))
    wanted = [name.strip() for name in args.layers.split(',') if name.strip()]
    by_row = args.per == 'row'
    if not wanted:
        raise UserError(f"--layers '{args.layers}' names no layer; all, last or a name would do.")
    layers = share_layers(model, wanted, args.clusters, by_row=by_row, zero=args.zero_smallest)
    print(table_of(layers, weights_of(model), layer_names(model)), flush=True)
    losses: dict[str, list[float]] = {}
    done = with_shared(model, layers)
    if args.finetune_epochs > 0:
        if args.threads:
            torch.set_num_threads(args.threads)
        task = read_task(args.checkpoint, args.data, args.images, args.boxes, args.seed)
        settings = TuneSettings(args.finetune_epochs, args.lr, args.seed)
        done, layers, losses['losses'] = tuned(model, layers, task, settings)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(done.SerializeToString())
    sizes = {'bytes': args.out.stat().st_size, 'bytes_before': args.model.stat().st_size}
    smaller = round(sizes['bytes_before'] / sizes['bytes'], 2)
    result = {'model': str(args.out), 'clusters': args.clusters, 'per': args.per, **sizes}
    print(json.dumps({**result, 'times_smaller': smaller, **summary(layers), **losses}))


if __name__ == '__main__':
    run(main)
