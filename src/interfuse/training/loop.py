"""The training loop: explicit, deterministic by seed, best epoch by validation."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from jaxtyping import Float, Int64
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.seeds import derive, generator
from interfuse.data import Batch, Features, ahead, epoch_batches, eval_batches
from interfuse.evaluation import example_scores
from interfuse.fusion.late import LateProductFusion
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
from interfuse.training.findings import describe
from interfuse.training.health import HealthMonitor
from interfuse.training.network import ModalitySpec, Network, count_parameters
from interfuse.training.objective import Objective, make_objective, to_probs
from interfuse.training.optimiser import make_optimiser, make_schedule

Precision = Literal["auto", "float32", "bfloat16"]
EVAL_BATCH = 512


@dataclass(frozen=True)
class Trained:
    """A trained network and the record of how it came to be."""

    network: Network
    """With the weights of its best epoch, in eval mode, on the CPU."""
    history: list[dict[str, Any]]
    """A row an epoch, columns of `core.records.HISTORY`."""
    best_epoch: int
    """From 1: the first epoch with the highest validation score, ties broken by the lower validation loss."""
    parameters: int
    """Values that training changed."""
    seconds: float
    """Wall time of the loop, validation included."""


Watch = Callable[[int, str], None]
"""Called with the steps done since the last call and a note to show beside the bar."""


def resolve_precision(precision: Precision, dim: int, device: str = "cpu") -> Literal["float32", "bfloat16"]:
    """Choose bfloat16 autocast where the processor multiplies it natively and the matrices are wide enough to gain."""
    if precision != "auto":
        return precision
    if device != "cpu" and torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    native = torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if native and dim >= 64 else "float32"


def train(  # noqa: PLR0913
    design: Design,
    seed: int,
    features: Features,
    specs: tuple[ModalitySpec, ModalitySpec],
    precision: Precision = "auto",
    watch: Watch | None = None,
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
        watch: told after every step.
        device: cpu, or any other word for the accelerator that the machine has.
        checkpoint: where the state is kept between epochs; a training killed and started again goes on from there and
            ends with the same bytes. The caller removes it when the run is on disk.

    Raises:
        ConfigError: there is no train or validation row, the design is not for this task, or the loss became NaN or
            infinite.
    """
    train_rows, validation_rows = features.splits["train"], features.splits["validation"]
    for name, rows in (("train", train_rows), ("validation", validation_rows)):
        if len(rows) == 0:
            raise ConfigError(f"There is no {name} row: {len(features.ids)} rows in all. Give more rows or a split.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "initialise"))
        network = Network(design, *specs, len(features.label_names), features.task)
        if isinstance(network.fusion, LateProductFusion):
            network.fusion.set_prior(_count_labels(features, train_rows), len(train_rows))
        torch.manual_seed(derive(seed, "dropout"))
        accelerator = _accelerator(resolve_precision(precision, design.dim, device), device)
        return _Loop(design, seed, features, network, accelerator, watch or _nobody).run(checkpoint)


def _count_labels(features: Features, rows: Tensor) -> Tensor:
    """Count the train rows of each class, or with each label."""
    labels = features.labels[rows]
    if features.task == "multilabel":
        return labels.sum(0)
    return torch.bincount(labels, minlength=len(features.label_names))


def _nobody(steps: int, note: str) -> None:
    """Watch nothing."""


def _accelerator(precision: str, device: str) -> Accelerator:
    """Make the accelerator anew: another run of this process may have used another precision or device."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device == "cpu", mixed_precision="bf16" if precision == "bfloat16" else "no")


@dataclass
class _Kept:
    """What a training has come to so far."""

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
        self, design: Design, seed: int, features: Features, network: Network, accelerator: Accelerator, watch: Watch
    ) -> None:
        self.design, self.features, self.watch = design, features, watch
        check_contrastive(design, features.task)
        self.accelerator, self.objective = accelerator, make_objective(design, features)
        self.order = generator(seed, "order")
        steps = -(-len(features.splits["train"]) // design.batch_size)
        optimiser = make_optimiser(network, design)
        self.network, self.optimiser = self.accelerator.prepare(network, optimiser)
        self.schedule = make_schedule(optimiser, design, steps * design.epochs)
        self.blocks = {
            name: [p for p in block.parameters() if p.requires_grad] for name, block in network.blocks().items()
        }
        self.health = HealthMonitor(network.blocks(), steps * design.epochs)
        self.steps = self.passed = 0
        self.contrast = network.contrast
        self.weights = _first_weights(design) if network.unimodal_heads else None  # of fused, image and text loss
        estimates = self.weights is not None and design.balance == "gradient_blending"
        self.before = self.losses() if estimates else None

    def run(self, checkpoint: Checkpoint | None = None) -> Trained:
        """Run all epochs, from the checkpoint's on, and keep the best."""
        kept = _Kept()
        stored = checkpoint.read() if checkpoint else None
        if stored:
            kept = self.restore(*stored)
            self.watch(self.steps, f"goes on after epoch {len(kept.history)}")
        start = time.perf_counter() - kept.seconds
        for epoch in range(len(kept.history) + 1, self.design.epochs + 1):
            row = self.epoch(epoch)
            rank = (row["validation_score"], -row["validation_loss"])
            if rank > kept.best:
                kept.best, kept.epoch, kept.weights = rank, epoch, copy.deepcopy(self._plain().state_dict())
            row["seconds"] = kept.seconds = time.perf_counter() - start
            kept.history.append(row)
            row |= describe(kept.history)
            if checkpoint and checkpoint.due():
                checkpoint.write(*self.state(kept))
            self.watch(
                0, f"epoch {epoch}/{self.design.epochs} validation {100 * row['validation_score']:.1f}, {row['health']}"
            )
        network = self._plain()
        network.load_state_dict(kept.weights)
        network.eval().cpu()
        for module in network.tails():
            self.objective.unstandardise(module)
        return Trained(network, kept.history, kept.epoch, count_parameters(network), time.perf_counter() - start)

    def state(self, kept: "_Kept") -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Give all that the rest of the training depends on: tensors, and plain values."""
        moments, groups = pack_optimiser(self.optimiser)
        tensors = {
            **with_prefix("network.", self._plain().state_dict()),
            **with_prefix("best.", kept.weights),
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
            "kept": {"best": kept.best, "epoch": kept.epoch, "seconds": kept.seconds, "history": kept.history},
        }
        return tensors, plain

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> "_Kept":
        """Put everything where `state` found it."""
        copy_into(self._plain(), take(tensors, "network."))
        unpack_optimiser(self.optimiser, take(tensors, "optimiser."), plain["groups"])
        self.schedule.load_state_dict({**self.schedule.state_dict(), **plain["schedule"]})
        restore_random(tensors, self.order, self.accelerator.device)
        self.steps, self.weights = plain["steps"], tensors.get("weights", self.weights)
        self.health.seen = self.steps
        if self.before is not None:
            self.before = Losses(tensors["before.train"], tensors["before.validation"])
        kept = plain["kept"]
        best = (kept["best"][0], kept["best"][1])
        return _Kept(best, kept["epoch"], take(tensors, "best."), kept["history"], kept["seconds"])

    def epoch(self, epoch: int) -> dict[str, Any]:
        """Train over all rows once, then score the validation rows."""
        self.network.train()
        self.passed = epoch - 1
        rows, losses, norms = 0, torch.zeros(()), torch.zeros(len(self.blocks))
        batches = epoch_batches(
            self.features,
            self.features.splits["train"],
            self.design.batch_size,
            self.order,
            modality_dropout=self.design.modality_dropout,
        )
        count, first_loss = 0, None
        for batch in ahead(batches):
            loss, block_norms = self.step(batch)
            first_loss = float(loss) if self.steps == 1 else first_loss
            losses += loss * len(batch.rows)
            norms += block_norms
            rows, count = rows + len(batch.rows), count + 1
            self.watch(1, "")
        train_loss = float(losses) / rows
        if train_loss != train_loss or train_loss == float("inf"):
            raise ConfigError(
                f"design {self.design.name!r}: the training loss became {train_loss} in epoch {epoch}. "
                "Mend: a lower learning_rate, clip above 0, or norm=standard."
            )
        if self.before is not None:
            after = self.losses()
            self.weights, self.before = blending_weights(self.before, after), after
        validation = self.features.splits["validation"]
        score, loss_value = validate(self._plain(), self.features, validation, self.objective)
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
            **self.health.row(),
        }

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Take one optimiser step; give the loss and the gradient norm of each block before clipping."""
        batch = batch.to(self.accelerator.device)
        looked = self.health.begin()
        with self.accelerator.autocast():
            heads = {} if self.weights is None else {"unimodal": True}
            heads |= {"vectors": True} if self.contrast is not None else {}
            given = self.network(batch.image, batch.text, batch.image_index, batch.text_index, **heads)
        logits, *vectors = given if self.contrast is not None else (given,)
        loss, taught = self.loss(logits.float(), batch.labels)
        if vectors:
            contrast = contrast_pairs(self.contrast, (vectors[0], vectors[1]), batch)
            taught = taught * float(self.passed >= self.design.warm_start) + self.design.contrastive * contrast
        self.accelerator.backward(taught)
        if self.weights is not None and self.design.balance == "ogm_ge":
            self.hold_back(logits.detach().float(), batch.labels)
        if looked:
            self.health.after_backward(self._plain(), self.features.task, self.ogm_ratio(logits, batch.labels))
        norms = torch.stack([_norm(parameters) for parameters in self.blocks.values()]).cpu()
        if self.design.clip:
            trained = [p for parameters in self.blocks.values() for p in parameters]
            nn.utils.clip_grads_with_norm_(trained, self.design.clip, norms.norm())
        self.optimiser.step()
        self.health.after_step()
        self.schedule.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.steps += 1
        return loss.detach().cpu(), norms

    def loss(self, logits: Float[Tensor, "*three batch classes"], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Give the fused head's loss, and what is differentiated: with unimodal heads the weighted sum of all three."""
        if self.weights is None:
            loss = self.objective(logits, labels)
            return loss, loss
        losses = torch.stack([self.objective(head, labels) for head in logits])
        return losses[0], (losses * self.weights.to(losses.device)).sum()

    def hold_back(self, logits: Float[Tensor, "three batch classes"], labels: Tensor) -> None:
        """Hold back the adapter whose modality is ahead (OGM-GE)."""
        if self.features.task == "regression":
            labels = (labels - self.objective.mean) / self.objective.std
        scores = [true_class_score(head, labels, self.features.task) for head in logits[1:]]
        factors = ogm_coefficients(scores[0], scores[1], self.design.ogm_alpha)
        for name, factor in zip(("image_adapter", "text_adapter"), factors, strict=True):
            modulate(self.blocks[name], factor)

    def ogm_ratio(self, logits: Tensor, labels: Tensor) -> float | None:
        """Compare how well the image's and the text's own head know the truth, where there are such heads."""
        if self.weights is None or self.features.task == "regression":
            return None
        image, text = (true_class_score(head.detach().float(), labels, self.features.task) for head in logits[1:])
        return float(image / text)

    def losses(self) -> Losses:
        """Measure the mean loss of every head on the validation rows and on as many train rows."""
        validation = self.features.splits["validation"]
        train = self.features.splits["train"]
        spread = torch.linspace(0, len(train) - 1, min(len(train), len(validation))).long()
        parts = (train[spread], validation)
        return Losses(*(_head_losses(self._plain(), self.features, rows, self.objective) for rows in parts))

    def _plain(self) -> Network:
        network: Network = self.accelerator.unwrap_model(self.network, keep_fp32_wrapper=False)
        return network


def _first_weights(design: Design) -> Tensor:
    """Weigh the fused, image and text loss; heads that do not teach the adapters learn with weight 1."""
    if design.balance == "gradient_blending":
        return torch.full((3,), 1 / 3)
    own = design.unimodal_heads or 1.0
    return torch.tensor([1.0, own, own])


@torch.inference_mode()
def _head_losses(network: Network, features: Features, rows: Tensor, objective: Objective) -> Tensor:
    network.eval()
    total, device = torch.zeros(3), next(network.parameters()).device
    for batch in eval_batches(features, rows, EVAL_BATCH):
        batch = batch.to(device)
        logits = network(batch.image, batch.text, batch.image_index, batch.text_index, unimodal=True).float()
        losses = torch.stack([objective(head, batch.labels) for head in logits])
        total += losses.cpu() * len(batch.rows)
    return total / len(rows)


@torch.inference_mode()
def predict_probs(
    network: Network, features: Features, rows: Int64[Tensor, " rows"], batch_size: int = EVAL_BATCH
) -> Float[Tensor, "rows classes"]:
    """Compute the probabilities of these rows, or a regression's numbers, float32, in eval mode, in their order."""
    return to_probs(_logits(network, features, rows, batch_size), features.task)


@torch.inference_mode()
def validate(
    network: Network, features: Features, rows: Int64[Tensor, " rows"], objective: Objective
) -> tuple[float, float]:
    """Give the mean score and the mean loss over these rows of a network that is still training."""
    logits = _logits(network, features, rows, EVAL_BATCH)
    labels = features.labels[rows]
    scores = example_scores(objective.decode(logits).numpy(), labels.numpy(), features.task)
    return float(scores.mean()), float(objective(logits, labels))


def _logits(network: Network, features: Features, rows: Tensor, batch_size: int) -> Tensor:
    network.eval()
    device = next(network.parameters()).device
    out = torch.empty(len(rows), len(features.label_names))
    start = 0
    for batch in eval_batches(features, rows, batch_size):
        batch = batch.to(device)
        logits = network(batch.image, batch.text, batch.image_index, batch.text_index)
        out[start : start + len(batch.rows)] = logits.float().cpu()
        start += len(batch.rows)
    return out


def _norm(parameters: list[nn.Parameter]) -> Tensor:
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return nn.utils.get_total_norm(grads).float() if grads else torch.zeros(())
