"""The models folder that the nodes look into: a new model in, the former one back."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import shutil

from edge_vision.core.errors import UserError
from edge_vision.core.gesture import CLASSIFICATION, GestureModel
from training.studio.files import sweep, told_in_a_sentence, write_whole
from training.studio.names import checked_name

FORMER = 'former'  # folder of the models that were replaced, one of each name
PARAMETERS = {'gesture': 'model', 'fingertip': 'fingertip_model'}  # of the gesture node
NAMES = {'classification': 'gesture', 'regression': 'fingertip'}  # what the node loads by itself


def model_name(text: object, task: str) -> str:
    """Give the name to deploy a model of `task` under; UserError where it cannot be."""
    name = checked_name(text, 'model').replace(' ', '_')
    wanted = {v: k for k, v in NAMES.items()}.get(name)
    if wanted is not None and wanted != task:
        raise UserError(
            f"'{name}' is what the gesture node loads as {wanted}; this model is for {task}:"
            f" '{NAMES[task]}', or a name of your own, would do."
        )
    return name


def task_of(file: Path) -> str:
    """Load a model as the gesture node does; gives its task, UserError where it does not fit."""
    return GestureModel(str(file), threads=1).task


def files_of(folder: Path, name: str) -> tuple[Path, Path]:
    """Give the model file and its card."""
    return folder / f'{name}.onnx', folder / f'{name}.md'


def put(source: Path, folder: Path, name: object, card: str) -> Path:
    """
    Put a model into the models folder, whole or not at all; the one that was there is kept.

    A running node sees a replaced file, never a half one. UserError for a model that the gesture
    node cannot load.
    """
    name = model_name(name, task_of(source))
    file, card_file = files_of(folder, name)
    with told_in_a_sentence('the model'):
        (folder / FORMER).mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
    sweep(folder)
    sweep(folder / FORMER)
    kept = files_of(folder / FORMER, name)
    for one, former in zip((file, card_file), kept):
        if one.is_file():
            write_whole(former, one.read_bytes(), 'the former model')
        else:
            former.unlink(missing_ok=True)
    write_whole(card_file, card.encode(), 'the card')
    write_whole(file, data, 'the model')
    return file


def back(folder: Path, name: str) -> bool:
    """
    Exchange a model with the former one; done twice, it is as before.

    Where there was none, it is taken out, and the node goes back to the shipped one. Tells
    whether a model of this name is in the folder now.
    """
    if name not in (row['name'] for row in there(folder)):
        raise UserError(f"No model '{name}' was deployed.")
    with told_in_a_sentence('the model'):
        (folder / FORMER).mkdir(exist_ok=True)
        pairs = list(zip(files_of(folder, name), files_of(folder / FORMER, name)))
        for file, former in reversed(pairs):  # the card first
            swap = former.with_name(f'.{former.name}.swap')
            swap.unlink(missing_ok=True)
            if file.is_file():
                shutil.copyfile(file, swap)
            if former.is_file():
                os.replace(former, file)
            else:
                file.unlink(missing_ok=True)
            if swap.is_file():
                os.replace(swap, former)
    return pairs[0][0].is_file()


def there(folder: Path) -> list[dict]:
    """List what was deployed, by name: its size and time, and whether there is a former one."""
    names = {file.stem for place in (folder, folder / FORMER) for file in place.glob('*.onnx')}
    found = []
    for name in sorted(names):
        file, former = files_of(folder, name)[0], files_of(folder / FORMER, name)[0]
        state = file.stat() if file.is_file() else None
        found.append(
            {
                'name': name,
                'bytes': state.st_size if state else 0,
                'changed_s': state.st_mtime if state else 0.0,
                'in_use': state is not None,
                'former': former.is_file(),
                'card': read_text(files_of(folder, name)[1]),
            }
        )
    return found


def read_text(file: Path) -> str:
    """Give a card, or nothing."""
    try:
        return file.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError):
        return ''


def card_of(name: str, task: str, labels: Sequence[str], facts: Sequence[str]) -> str:
    """Write a model's card: what it was made of and how good it is, as far as is known."""
    what = 'classes' if task == CLASSIFICATION else 'points'
    lines = '\n'.join(f'- {fact}' for fact in facts)
    return (
        f'# {name}\n\nA gesture model made with the studio. Its {what}: {", ".join(labels)}.\n\n'
        f'{lines}\n\nIt was made of pictures of the people and rooms that were before the camera'
        ' while collecting; how it does with others has to be tried.\n'
    )
