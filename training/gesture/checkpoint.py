"""Checkpoints of train_gesture: the network, its labels and settings, where its training stood."""

from __future__ import annotations

from pathlib import Path

from training import checkpoint
from training.gesture.network import GestureNet, make_network

KIND = 'edge_vision gesture'


def save_checkpoint(file: Path, state: dict) -> None:
    """Write the file whole or not at all."""
    checkpoint.save_checkpoint(file, state, KIND)


def load_checkpoint(file: Path) -> dict:
    """Read a checkpoint of this program; anything else ends in a sentence."""
    return checkpoint.load_checkpoint(file, KIND, 'train_gesture')


def averaged_model(state: dict) -> GestureNet:
    """Return the network with the averaged weights, which are the ones to use."""
    model = make_network(state['task'], len(state['labels']), width=state['settings']['width'])
    model.load_state_dict(state['average'])
    model.pretrained = True
    return model.eval()
