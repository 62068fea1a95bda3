"""The models of the gesture node: loaded, exchanged all or none, and read again when replaced."""

from __future__ import annotations

from functools import partial
import logging
import threading
from typing import Callable, Dict, List, Sequence

from edge_vision.core.errors import UserError
from edge_vision.core.gesture import (
    CLASSIFICATION,
    find_gesture,
    GestureModel,
    load_gesture,
    MissingModel,
    REGRESSION,
)
from edge_vision.core.model_slot import ModelSlot

log = logging.getLogger(__name__)

TASKS = {'model': CLASSIFICATION, 'fingertip_model': REGRESSION}  # by the node's parameters


class GestureModels:
    """
    The two models by their parameters' names; either may be missing.

    `at_work` may be called in any thread; changes exclude each other.
    """

    def __init__(self, names: Dict[str, str], providers: Sequence[str], threads: int,
                 tell: Callable[[str], None] = log.info):
        """
        Load what `names` tells, '' being none; UserError where one cannot be.

        A shipped model that is not there is told in the log, and loaded when it comes.
        tell(sentence) hears of each model that is put to work.
        """
        self._say = tell
        self._changing = threading.Lock()

        def load(task: str, model: str) -> GestureModel:
            return load_gesture(model, task, providers, threads)

        self._slots = {name: ModelSlot(find_gesture, partial(load, task))
                       for name, task in TASKS.items()}
        for name, slot in self._slots.items():
            model = names[name].strip()
            try:
                slot.loaded(model)()
                self._tell(name)
            except MissingModel as error:
                slot.promise(model, str(error))
                log.warning('%s; all else goes on without it', error)

    def _tell(self, name: str) -> None:
        model = self._slots[name].model
        if model is not None:
            self._say(f'{name} {model.path} on {model.provider}: {", ".join(model.labels)}')

    def at_work(self) -> Dict[str, GestureModel]:
        """Give the models that are there."""
        return {name: slot.model for name, slot in self._slots.items() if slot.model is not None}

    def change(self, names: Dict[str, str]) -> List[str]:
        """
        Load those that are others now, or whose file is; gives their parameters.

        UserError where one cannot be loaded; then none is exchanged.
        """
        with self._changing:
            ready = {}
            for name, slot in self._slots.items():
                model = names[name].strip()
                if model != slot.name or slot.changed() or slot.problem:
                    ready[name] = slot.loaded(model)
            for put in ready.values():
                put()
        for name in ready:
            self._tell(name)
        return list(ready)

    def look(self) -> List[str]:
        """
        Load files that were replaced; gives their parameters.

        Call it about once a second, in a thread that may wait. UserError for a file that is no
        such model: it is told once, and the old one goes on.
        """
        for name, slot in self._slots.items():
            with self._changing:
                try:
                    is_new = slot.look()
                except UserError as error:
                    stays = '; the model of before stays' if slot.model else ''
                    raise UserError(f'{error}{stays}') from error
            if is_new:
                self._tell(name)
                return [name]
        return []

    def problem(self) -> str:
        """Tell why a model is not the one that its file is now, or '' where all is well."""
        return '; '.join(slot.problem for slot in self._slots.values() if slot.problem)
