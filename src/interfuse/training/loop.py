"""The training loop: explicit, deterministic by seed, best epoch by validation."""

import copy
import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.modalities import Modalities
from interfuse.core.seeds import derive, generator
from interfuse.data import Batch, Features, ahead
from interfuse.settings import Precision
from interfuse.training.balance import Losses, blending_weights, modulate, ogm_coefficients, true_class_score
from interfuse.training.checkpoint import (
    Checkpoint,
    copy_into,
    pack_optimiser,
    random_states,
    restore_random,
    take,
    unpack_optimiser,
    with_prefix,
)
from interfuse.training.contrastive import check_contrastive, contrast_pairs
from interfuse.training.distributed import Share, check_shares, join, share_epoch, total, world
from interfuse.training.health import HealthMonitor, describe, measure_baseline
from interfuse.training.inference import head_losses, validate
from interfuse.training.network import ModalitySpec, Network, NetworkOutput, count_parameters
from interfuse.training.objective import make_objective
from interfuse.training.optimiser import make_optimiser, make_schedule
from interfuse.training.options import Callback, TrainingOptions, no_callback, resolve_precision


@dataclass(frozen=True)
class Trained:
    """A trained network and the record of how it came to be."""

    network: Network
    """With the weights of its best epoch, in eval mode, on the CPU."""
    history: list[dict[str, Any]]
    """A row an epoch, columns of `core.records.HISTORY`."""
    best_epoch: int
    """From 1: the first epoch with the highest validation score, ties broken by the lower validation loss; 0: none."""
    parameters: int
    """Values that training changed."""
    seconds: float
    """Wall time of the loop, validation included."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the run's record says besides."""


def train(  # noqa: PLR0913
    design: Design,
    seed: int,
    features: Features,
    specs: tuple[ModalitySpec, ModalitySpec],
    precision: Precision = "auto",
    on_step: Callback | None = None,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train one design with one seed; the seed decides initialisation, order and dropout only.

    Args:
        design: all settings.
        seed: of this run; the order of the rows depends on it alone, so designs are paired by seed.
        features: rows with splits `train` and `validation`.
        specs: image and text tokens as `measure` saw them.
        precision: of the training step; evaluation is always float32.
        on_step: callback, called after every step and every epoch.
        device: cpu, or any other word for the accelerator that the machine has.
        checkpoint: where the state is kept between epochs; a training killed and started again goes on from there and
            ends with the same bytes on the same kind of processor. The caller removes it when the run is on disk.

    Raises:
        ConfigError: there is no train or validation row, the design is not for this task, or the loss or an answer
            became NaN or infinite.
    """
    train_rows, validation_rows = features.splits["train"], features.splits["validation"]
    for name, rows in (("train", train_rows), ("validation", validation_rows)):
        if len(rows) == 0:
            raise ConfigError(f"There is no {name} row: {len(features.ids)} rows in all. Give more rows or a split.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "initialise"))
        network = Network(design, *specs, len(features.label_names), features.task)
        if features.task != "regression":
            network.fusion.fit_prior(_count_labels(features, train_rows), len(train_rows))
        torch.manual_seed(derive(seed, "dropout"))
        accelerator = _accelerator(resolve_precision(precision, design.dim, device), device)
        return _Loop(design, seed, features, network, accelerator, on_step or no_callback).run(checkpoint)


def train_on(
    design: Design, seed: int, features: Features, network: Network, accumulate: int, options: TrainingOptions
) -> Trained:
    """Train a network that is trained already.

    Args:
        design: as in `train`.
        seed: as in `train`.
        features: as in `train`.
        network: as a run holds it; a regression's gives the numbers themselves.
        accumulate: batches whose gradients are added up before a step.
        options: precision, device, callback and checkpoint.
    """
    objective = make_objective(design, features)
    for module in network.tails():
        objective.restandardise(module)
    accelerator = _accelerator(resolve_precision(options.precision, design.dim, options.device), options.device)
    loop = _Loop(design, seed, features, network, accelerator, options.on_step or no_callback, accumulate)
    return loop.run(options.checkpoint)


def _count_labels(features: Features, rows: Tensor) -> Tensor:
    """Count the train rows of each class, or with each label."""
    labels = features.labels[rows]
    if features.task == "multilabel":
        return labels.sum(0)
    return torch.bincount(labels, minlength=len(features.label_names))


def _accelerator(precision: str, device: str) -> Accelerator:
    """Make the accelerator anew: another run of this process may have used another precision or device."""
    join(device)
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device == "cpu", mixed_precision="bf16" if precision == "bfloat16" else "no")


@dataclass
class _Progress:
    """What a training has come to so far: its best epoch and its history."""

    best: tuple[float, float] = (-math.inf, -math.inf)
    """Validation score and negative loss of the best epoch."""
    epoch: int = 0
    weights: dict[str, Any] = field(default_factory=dict)
    """Of the best epoch."""
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


class _Loop:
    """The state of one training."""

    def __init__(
        self,
        design: Design,
        seed: int,
        features: Features,
        network: Network,
        accelerator: Accelerator,
        on_step: Callback,
        accumulate: int = 1,
    ) -> None:
        self.design, self.seed, self.features, self.on_step = design, seed, features, on_step
        self.accumulate, self.world = accumulate, world()
        check_contrastive(design, features.task)
        check_shares(design, accumulate, self.world)
        self.accelerator, self.objective = accelerator, make_objective(design, features)
        self.order = generator(seed, "order")
        steps = steps_an_epoch(len(features.splits["train"]), design.batch_size, accumulate)
        optimiser = make_optimiser(network, design)
        self.network, self.optimiser = self.accelerator.prepare(network, optimiser)
        self.schedule = make_schedule(optimiser, design, steps * design.epochs)
        self.blocks = {
            name: [p for p in block.parameters() if p.requires_grad]
            for name, block in {**network.blocks(), **network.finetuned()}.items()
        }
        self.health = HealthMonitor(network.blocks(), steps * design.epochs)
        self.steps = self.past_epochs = 0
        self.contrast = network.contrast
        self.weights = _first_weights(design) if network.unimodal_heads else None  # of fused, image and text loss
        estimates = self.weights is not None and design.balance == "gradient_blending"
        self.before = self.losses() if estimates else None

    def run(self, checkpoint: Checkpoint | None = None) -> Trained:
        """Run all epochs, from the checkpoint's on, and keep the best."""
        progress = _Progress()
        state = checkpoint.read() if checkpoint else None
        if state:
            progress = self.restore(*state)
            self.on_step(self.steps, f"goes on after epoch {len(progress.history)}")
        start = time.perf_counter() - progress.seconds
        for epoch in range(len(progress.history) + 1, self.design.epochs + 1):
            row = self.epoch(epoch)
            rank = (row["validation_score"], -row["validation_loss"])
            if rank > progress.best:
                progress.best, progress.epoch = rank, epoch
                progress.weights = copy.deepcopy(self._plain().state_dict())
            row["seconds"] = progress.seconds = time.perf_counter() - start
            progress.history.append(row)
            row |= describe(progress.history)
            if checkpoint and self.world.leads and checkpoint.due():
                checkpoint.write(*self.state(progress))
            self.on_step(
                0, f"epoch {epoch}/{self.design.epochs} validation {100 * row['validation_score']:.1f}, {row['health']}"
            )
        network = self._plain()
        network.load_state_dict(progress.weights)
        network.eval().cpu()
        for module in network.tails():
            self.objective.unstandardise(module)
        seconds = time.perf_counter() - start
        return Trained(network, progress.history, progress.epoch, count_parameters(network), seconds)

    def state(self, progress: _Progress) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the rest of the training depends on: tensors, and plain values."""
        moments, groups = pack_optimiser(self.optimiser)
        tensors = {
            **with_prefix("network.", self._plain().state_dict()),
            **with_prefix("best.", progress.weights),
            **with_prefix("optimiser.", moments),
            **random_states(self.order, self.accelerator.device),
        }
        if self.weights is not None:
            tensors["weights"] = self.weights
        if self.before is not None:
            tensors |= {"before.train": self.before.train, "before.validation": self.before.validation}
        plain = {
            "steps": self.steps,
            "groups": groups,
            "schedule": {"last_epoch": self.schedule.last_epoch, "_last_lr": self.schedule.get_last_lr()},
            "kept": {
                "best": progress.best,
                "epoch": progress.epoch,
                "seconds": progress.seconds,
                "history": progress.history,
            },
        }
        return tensors, plain

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> _Progress:
        """Restore what `state` returned."""
        copy_into(self._plain(), take(tensors, "network."))
        unpack_optimiser(self.optimiser, take(tensors, "optimiser."), plain["groups"])
        self.schedule.load_state_dict({**self.schedule.state_dict(), **plain["schedule"]})
        restore_random(tensors, self.order, self.accelerator.device)
        self.steps, self.weights = plain["steps"], tensors.get("weights", self.weights)
        self.health.steps = self.steps
        if self.before is not None:
            self.before = Losses(tensors["before.train"], tensors["before.validation"])
        values = plain["kept"]
        best = (values["best"][0], values["best"][1])
        return _Progress(best, values["epoch"], take(tensors, "best."), values["history"], values["seconds"])

    def epoch(self, epoch: int) -> dict[str, Any]:
        """Train over all rows once, then score the validation rows."""
        self.network.train()
        self.past_epochs = epoch - 1
        if self.world.rank:  # dropout of its own, known at each epoch's start: only the first process keeps its stream
            torch.manual_seed(derive(self.seed, "dropout", self.world.rank, epoch))
        rows, losses, norms = 0, torch.zeros(()), torch.zeros(len(self.blocks))
        shares = share_epoch(self.features, self.design, self.order, self.accumulate, self.world)
        count, first_loss = 0, None
        for share in ahead(shares):
            loss, block_norms = self.step(share)
            first_loss = max(float(loss), self.objective.unlearnt) if self.steps == 1 else first_loss
            losses += loss * share.rows
            norms += block_norms
            rows, count = rows + share.rows, count + 1
            self.on_step(1, "")
        train_loss = float(losses) / rows
        if train_loss != train_loss or train_loss == float("inf"):
            raise self.diverged(f"the training loss became {train_loss}", epoch)
        validation = self.features.splits["validation"]
        score, loss_value = validate(self._plain(), self.features, validation, self.objective)
        if math.isnan(score):
            raise self.diverged("answers to validation rows became NaN or infinite", epoch)
        if self.before is not None:
            after = self.losses()
            self.weights, self.before = blending_weights(self.before, after), after
        return {
            "epoch": epoch,
            "step": self.steps,
            "train_loss": train_loss,
            "validation_loss": loss_value,
            "validation_score": score,
            "learning_rate": self.schedule.get_last_lr()[0],
            "block": list(self.blocks),
            "gradient_norm": (norms / count).tolist(),
            "first_loss": first_loss,
            **measure_baseline(self.features, self._plain().fusion.modalities, epoch),
            **self.health.row(),
        }

    def diverged(self, what: str, epoch: int) -> ConfigError:
        """Return the error that says which design came to nothing, and what fixes it."""
        return ConfigError(
            f"design {self.design.name!r}: {what} in epoch {epoch}. "
            "Fix: a lower learning_rate, clip above 0, or norm=standard."
        )

    def step(self, share: Share) -> tuple[Tensor, Tensor]:
        """Take one optimiser step; return the loss and the gradient norm of each block before clipping."""
        is_sampled = self.health.begin()
        loss, scores = torch.zeros(()), torch.zeros(2)
        for number, (batch, weight) in enumerate(zip(share.batches, share.weights, strict=True)):
            last = number == len(share.batches) - 1  # then the processes average their gradients
            with nullcontext() if last else self.accelerator.no_sync(self.network):
                part, part_scores = self.teach(batch.to(self.accelerator.device), weight)
            loss, scores = loss + part, scores + part_scores
        loss = total(loss) / self.world.size
        if self.weights is not None and self.design.balance == "ogm_ge":
            self.hold_back(scores)
        if is_sampled:
            self.health.after_backward(self._plain(), self.features.task, self.ogm_ratio(scores))
        norms = torch.stack([_norm(parameters) for parameters in self.blocks.values()]).cpu()
        if self.design.clip:
            trained = [p for parameters in self.blocks.values() for p in parameters]
            nn.utils.clip_grads_with_norm_(trained, self.design.clip, norms.norm())
        self.optimiser.step()
        self.health.after_step()
        self.schedule.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.steps += 1
        return loss, norms

    def teach(self, batch: Batch, weight: float) -> tuple[Tensor, Tensor]:
        """Add one batch's gradients; return its loss times its weight, and how well each modality's head knows it."""
        with self.accelerator.autocast():
            extras = {"unimodal": self.weights is not None, "vectors": self.contrast is not None}
            inputs = (batch.image, batch.text, batch.image_index, batch.text_index)
            output: NetworkOutput = self.network(*inputs, **extras)
        loss, target = self.loss(output, batch.labels)
        if output.vectors is not None:
            contrast = contrast_pairs(self.contrast, output.vectors, batch)
            labels_count = self._plain().contrast_alone or self.past_epochs >= self.design.warm_start
            target = target * float(labels_count) + self.design.contrastive * contrast
        self.accelerator.backward(target * weight)
        scores = torch.zeros(2) if output.unimodal is None else self.scores(output.unimodal, batch.labels).cpu()
        return loss.detach().cpu() * weight, scores * float(weight > 0)

    def loss(self, output: NetworkOutput, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused head's loss, and the loss whose gradient is taken: with unimodal heads a weighted sum."""
        loss = self.objective(output.logits.float(), labels)
        if self.weights is None or output.unimodal is None:
            return loss, loss
        losses = torch.stack([loss, *(self.objective(logits.float(), labels) for logits in output.unimodal)])
        return loss, (losses * self.weights.to(losses.device)).sum()

    def scores(
        self, unimodal: Modalities[Float[Tensor, "batch classes"]], labels: Tensor
    ) -> Float[Tensor, " modalities"]:
        """Return how well the image's and the text's own head know the truth, summed over the batch."""
        if self.features.task == "regression":
            labels = (labels - self.objective.mean) / self.objective.std
        task = self.features.task
        return torch.stack([true_class_score(logits.detach().float(), labels, task) for logits in unimodal])

    def hold_back(self, scores: Float[Tensor, " modalities"]) -> None:
        """Hold back the adapter whose modality is ahead (OGM-GE)."""
        factors = ogm_coefficients(scores[0], scores[1], self.design.ogm_alpha)
        for name, factor in zip(("image_adapter", "text_adapter"), factors, strict=True):
            modulate(self.blocks[name], factor.to(self.accelerator.device))

    def ogm_ratio(self, scores: Float[Tensor, " modalities"]) -> float | None:
        """Compare how well the image's and the text's own head know the truth, where there are such heads."""
        if self.weights is None or self.features.task == "regression":
            return None
        return float(scores[0] / scores[1])

    def losses(self) -> Losses:
        """Measure the mean loss of every head on the validation rows and on as many train rows."""
        validation = self.features.splits["validation"]
        train = self.features.splits["train"]
        spread = torch.linspace(0, len(train) - 1, min(len(train), len(validation))).long()
        parts = (train[spread], validation)
        return Losses(*(head_losses(self._plain(), self.features, rows, self.objective) for rows in parts))

    def _plain(self) -> Network:
        network: Network = self.accelerator.unwrap_model(self.network, keep_fp32_wrapper=False)
        return network


def steps_an_epoch(rows: int, batch_size: int, accumulate: int = 1) -> int:
    """Count the optimiser steps that these rows take, over all processes."""
    return -(-rows // (batch_size * accumulate * world().size))


def _first_weights(design: Design) -> Tensor:
    """Weigh the fused, image and text loss; heads that do not teach the adapters learn with weight 1."""
    if design.balance == "gradient_blending":
        return torch.full((3,), 1 / 3)
    own = design.unimodal_heads or 1.0
    return torch.tensor([1.0, own, own])


def _norm(parameters: list[nn.Parameter]) -> Tensor:
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return nn.utils.get_total_norm(grads).float() if grads else torch.zeros(())
