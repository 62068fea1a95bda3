"""Checkpoints: everything that a network is, and where its training stood, in one file."""

from __future__ import annotations

import os
from pathlib import Path
import pickle

from edge_vision.core.errors import UserError
import torch
from training.network import Detector

KIND = 'edge_vision detector'


def save_checkpoint(file: Path, state: dict, kind: str = KIND) -> None:
    """Write the file whole or not at all, so that a kill leaves the last one."""
    part = file.with_suffix('.part')
    torch.save({'kind': kind, **state}, part)
    os.replace(part, file)


def load_checkpoint(file: Path, kind: str = KIND, script: str = 'train_detector') -> dict:
    """Read a checkpoint of `script`; anything else ends in a sentence."""
    if not file.is_file():
        raise UserError(f'The checkpoint {file} does not exist.')
    try:
        state = torch.load(file, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f'{file} is not a checkpoint that torch can read.') from error
    if not isinstance(state, dict) or state.get('kind') != kind:
        raise UserError(f'{file} is not a checkpoint of {script}.')
    return state


def averaged_model(state: dict) -> Detector:
    """Return the network with the averaged weights, which are the ones to use."""
    model = Detector(state['widths'], len(state['labels']))
    model.load_state_dict(state['average'])
    return model.eval()


def init_weights(model: Detector, state: dict, file: Path) -> int:
    """
    Load a checkpoint's averaged weights into another network; return how many tensors fit.

    The class outputs differ where the classes do; everything else must fit.
    """
    own, other = model.state_dict(), state['average']
    fits = {k: v for k, v in other.items() if k in own and own[k].shape == v.shape}
    unfit = [k for k in own if k not in fits and 'class_out' not in k]
    if unfit:
        raise UserError(
            f'{file} holds another network: {len(unfit)} of {len(own)} tensors do not fit,'
            f' {unfit[0]} among them.'
        )
    own.update(fits)
    model.load_state_dict(own)
    return len(fits)
