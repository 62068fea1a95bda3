"""What shared values are trained on: gestures, points, or a detector's boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
import math
from pathlib import Path
from typing import Any, cast

from edge_vision.core.errors import UserError
import onnx
import torch
from torch import nn
from torch.nn import functional
from training import checkpoint as detector_checkpoint
from training.average import settle_batch_norm
from training.coco import ImageSet, read_coco
from training.feed import batches_of, epoch_loader
from training.feed import Pictures as DetectorPictures
from training.fused import fused
from training.gesture import checkpoint as gesture_checkpoint
from training.gesture import export as gesture_export
from training.gesture.augment import make_flips, MILD
from training.gesture.dataset import GestureSet, read_set, with_boxes
from training.gesture.feed import epoch_batches, feed, Pictures
from training.gesture.loss import point_loss
from training.gesture.network import CLASSIFICATION, GestureNet, to_input
from training.gesture.run import LEAST_VIEWS, SETTLE_BATCHES
from training.gesture.settings import Settings
from training.loss import detection_loss, LossSettings
from training.network import cells, Detector
from training.parity import check_parity
from training.predict import to_input as to_detector_input
from training.schedule import FINAL
from training.sharing.tune import Task

BATCH = 32
STILL = replace(MILD, flip=0.0)  # a checkpoint does not say what a flip would do to a gesture


class GestureTask:
    """
    Classes or points: to answer as the float32 network does, on mildly augmented pictures.

    Its answers say more than labels, whose errors so few steps do not average out (distillation:
    Hinton, Vinyals, Dean 2015). Labels only tell where there are points at all.
    """

    head: tuple[str, ...] = ('fc',)

    def __init__(
        self, state: dict, images: GestureSet, seed: int = 0, quiet: bool = False
    ) -> None:
        """Keep the checkpoint's averaged network; decode the pictures."""
        self.network: nn.Module = gesture_checkpoint.averaged_model(state)
        self.settings = Settings(**{**state['settings'], 'seed': seed, 'batch': BATCH})
        flips = make_flips(images.labels)
        self.pictures = Pictures(images, self.settings.size, flips, quiet=quiet)
        self._features: dict[int, list] = {}
        self._answers: dict[tuple[int, int], torch.Tensor] = {}

    def _keys(self, epoch: int) -> list[list[tuple[int, int]]]:
        enough = math.ceil(LEAST_VIEWS / len(self.pictures))
        repeat = self.settings.repeat or max(1, enough)
        return epoch_batches(self.pictures, BATCH, repeat, self.settings.seed, epoch)

    def steps(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self._keys(0))

    def batches(self, epoch: int, head_only: bool) -> Iterator[Any]:
        """
        Give an epoch's batches: pictures uint8 or features float, and the answers wanted.

        Features and answers are computed once: all that is tried sees the same.
        """
        if not head_only:
            yield from self._answered(epoch)
            return
        if epoch not in self._features:
            network = cast(GestureNet, self.network)
            with torch.no_grad():
                self._features[epoch] = [
                    (self._see(network, bgr), wanted) for bgr, wanted in self._answered(epoch)
                ]
        yield from self._features[epoch]

    def _answered(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give pictures with the float32 network's logits, or points where there are any."""
        size, seed = self.settings.size, self.settings.seed
        network = cast(GestureNet, self.network)
        every = feed(self.pictures, self._keys(epoch), seed, epoch, size, STILL)
        for number, (bgr, _, points) in enumerate(every):
            if (epoch, number) not in self._answers:
                with torch.no_grad():
                    answer = network.head(self._see(network, bgr))
                if network.task != CLASSIFICATION:
                    answer = torch.where(points.isfinite(), answer.clamp(0, 1), points)
                self._answers[epoch, number] = answer
            yield bgr, self._answers[epoch, number]

    def _see(self, network: GestureNet, bgr: torch.Tensor) -> torch.Tensor:
        with torch.autocast('cpu', torch.bfloat16, self.settings.precision == 'bfloat16'):
            return network.features(to_input(bgr)).float()

    def loss(self, network: nn.Module, batch: Any) -> torch.Tensor:
        """Return how far the network's answers are from those wanted."""
        seen, wanted = batch
        model = cast(GestureNet, network)
        features = seen if seen.is_floating_point() else self._see(model, seen)
        if model.task != CLASSIFICATION:
            return point_loss(model, features, wanted, self.settings.heat)
        mine, theirs = (logits.log_softmax(1) for logits in (model.head(features), wanted))
        return functional.kl_div(mine, theirs, reduction='batchmean', log_target=True)

    def settle(self, network: nn.Module) -> None:
        """Measure the batch norm statistics on pictures as they are in training."""
        seen = islice(self.batches(0, False), SETTLE_BATCHES)
        settle_batch_norm(network, (to_input(bgr) for bgr, _ in seen))

    def check(self, model: onnx.ModelProto, network: nn.Module) -> None:
        """Compare outputs."""
        gesture_export.check_parity(model, cast(GestureNet, network), self.settings.size)


class DetectorTask:
    """Boxes, as train_detector trains them at the end: at full size, mildly augmented."""

    head: tuple[str, ...] = ('head',)

    def __init__(self, state: dict, images: ImageSet, seed: int = 0) -> None:
        """Keep the checkpoint's averaged network; decode the pictures."""
        self.network: nn.Module = fused(detector_checkpoint.averaged_model(state))
        self.size, self.seed, self.precision = state['size'], seed, state['settings']['precision']
        self.pictures = DetectorPictures(images.items, 2 * self.size)
        self.places = cells(self.size)

    def _keys(self, epoch: int) -> list:
        return batches_of(self.pictures.shares, BATCH, self.seed, epoch, self.size, 0)

    def steps(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self._keys(0))

    def batches(self, epoch: int, head_only: bool) -> Iterator[Any]:
        """Give an epoch's batches: pictures uint8 and rows of labels."""
        yield from epoch_loader(self.pictures, self._keys(epoch), self.seed, epoch, FINAL, 0)

    def loss(self, network: nn.Module, batch: Any) -> torch.Tensor:
        """Return train_detector's loss of a batch."""
        bgr, labels = batch
        with torch.autocast('cpu', torch.bfloat16, self.precision == 'bfloat16'):
            raw = cast(Detector, network)(to_detector_input(bgr))
        return detection_loss(raw.float(), *self.places, labels, LossSettings())[0]

    def settle(self, network: nn.Module) -> None:
        """Do nothing: batch norm is folded into the convolutions."""

    def check(self, model: onnx.ModelProto, network: nn.Module) -> None:
        """Compare boxes on trial pictures."""
        check_parity(model, cast(Detector, network))


def read_task(
    checkpoint: Path,
    data: Path,
    images: Path | None = None,
    boxes: Path | None = None,
    seed: int = 0,
) -> Task:
    """Read a checkpoint of train_gesture or train_detector, and what it is to be trained on."""
    if not checkpoint.is_file():
        raise UserError(f'The checkpoint {checkpoint} does not exist.')
    for kind in (gesture_checkpoint, detector_checkpoint):
        try:
            state = kind.load_checkpoint(checkpoint)
        except UserError:
            continue
        if kind is gesture_checkpoint:
            found = read_set(data, images, tuple(state['labels']))
            return GestureTask(state, with_boxes(found, boxes) if boxes else found, seed)
        return DetectorTask(state, read_coco(data, images), seed)
    raise UserError(f'{checkpoint} is a checkpoint of neither train_gesture nor train_detector.')
