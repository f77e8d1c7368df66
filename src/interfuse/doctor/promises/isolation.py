"""Promises about rows and randomness: each sample stands alone, and eval is deterministic."""

import random
import time

import numpy as np
import torch

from interfuse.doctor.findings import Finding, Severity
from interfuse.doctor.outputs import Labels, Leaves, change
from interfuse.doctor.subject import Inputs, Subject
from interfuse.doctor.words import number, where_is


def is_deterministic_in_eval(subject: Subject) -> list[Finding]:
    """Return the same output twice in eval mode, but for a kernel's rounding, and leave the state alone."""
    inputs = subject.inputs()
    plain = subject.variant(seeded=False)
    before = {key: value.clone() for key, value in subject.module.state_dict().items()}
    first, second = plain.look(inputs), plain.look(inputs)
    after = subject.module.state_dict()
    changes = [key for key, value in after.items() if key not in before or not _same(before[key], value)]
    findings: list[Finding] = []
    if changes:
        evidence = f"one call without gradient changed {', '.join(changes)}"
        fix = "Update buffers under `if self.training:` alone."
        where = where_is(subject.module)
        findings.append(
            Finding("state-moves", "warning", "A call in eval mode changes the state", evidence, where, fix)
        )
    copies = Inputs(*(value.clone() for value in inputs))
    with torch.no_grad():
        subject.call(subject.module, *copies)
    if any(change(a, b) > 0 for a, b in zip(copies[:2], inputs[:2], strict=True)):
        evidence, fix = "after a call the tensors given hold other values", "x = x / n instead of x /= n."
        where = where_is(subject.module)
        findings.append(Finding("inputs-change", "warning", "It changes its inputs in place", evidence, where, fix))
    gap = _largest(first, second)
    slack = plain.rounding
    draws = gap <= slack and _draws(plain, inputs)
    if draws:  # what is drawn may matter in few calls only
        gap, calls = _until_it_differs(plain, inputs, first)
    how = f"one of {calls} calls of the same batch" if draws else "the same batch twice"
    differs = gap > slack
    if (differs and not changes) or draws:
        evidence = f"{how} differs by {number(gap)}" if differs else f"a call draws random numbers; {calls} calls agree"
        fix = "Draw only `if self.training:`; give F.dropout training=self.training; fix noise or choices in eval."
        severity: Severity = "error" if differs else "warning"
        title = "The output is random in eval mode" if differs else "It draws random numbers in eval mode"
        findings.append(Finding("random-in-eval", severity, title, evidence, where_is(subject.module), fix))
    return findings


def repeats(subject: Subject) -> bool:
    """Return whether a seeded call gives the same output again."""
    inputs, seeded = subject.inputs(), subject.variant(seeded=True)
    return _largest(seeded.look(inputs), seeded.look(inputs)) <= subject.rounding


def _largest(first: Leaves, second: Leaves) -> float:
    return max((change(first[name], second[name]) for name in first if name in second), default=0.0)


def _draws(subject: Subject, inputs: Inputs) -> bool:
    """Return whether a call moves a stream of random numbers."""
    before = _streams()
    subject.look(inputs)
    return _streams() != before


def _streams() -> tuple[object, ...]:
    numpy = np.random.get_state(legacy=False)
    assert isinstance(numpy, dict)
    state = numpy["state"]
    return torch.get_rng_state().numpy().tobytes(), str(state["pos"]), state["key"].tobytes(), random.getstate()


def _until_it_differs(
    subject: Subject, inputs: Inputs, first: Leaves, most: int = 300, limit_s: float = 2.0
) -> tuple[float, int]:
    """Call again and again, at most `limit_s` seconds; return the first difference and the number of calls."""
    started = time.thread_time()
    for calls in range(3, most):  # noqa: B007
        gap = _largest(first, subject.look(inputs))
        if gap > subject.rounding or time.thread_time() - started > limit_s:
            break
    return gap, calls


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and change(first, second) == 0


def _similarities(subject: Subject) -> list[Finding]:
    """Return a finding where an output is a matrix of every row against every row, as in a contrastive loss."""
    names = [name for name, marks in subject.labels().items() if "pair" in marks]
    if not names:
        return []
    evidence = f"{', '.join(names)}: (batch, batch); a row's own entry, on the diagonal, stands alone"
    fix = "Meant so for a contrastive loss; to predict a row, take the diagonal."
    title = "It compares every row with every row"
    return [Finding("similarities", "info", title, evidence, where_is(subject.module), fix)]


def _own(leaf: torch.Tensor, marks: Labels, row: int) -> torch.Tensor:
    """Take what one row of a batch was given, as a batch of one."""
    for axis, mark in enumerate(marks):
        if mark in ("batch", "pair"):
            leaf = leaf.narrow(axis, row, 1)
    return leaf


def lets_each_sample_stand_alone(subject: Subject) -> list[Finding]:
    """Return a row the same output whatever the other rows hold, and when it is alone."""
    inputs = subject.inputs()
    together = subject.look(inputs)
    other = subject.inputs(seed=7)
    rest = torch.tensor([False] + [True] * (len(inputs.image) - 1), device=subject.device)
    mixed = inputs._replace(
        image=torch.where(rest[:, None, None], inputs.image, other.image),
        text=torch.where(rest[:, None, None], inputs.text, other.text),
    )
    gaps = subject.compare(together, subject.look(mixed), inputs)
    worst, how = max(gaps[1:]), "replacing sample 0 moved another sample's output by {}"
    if worst <= subject.tolerance and not subject.seeded:
        for row in range(len(inputs.image)):
            alone = inputs.rows(slice(row, row + 1))
            try:
                mine = subject.look(alone)
            except Exception:
                break  # "shape" tells of it
            whole = {name: _own(together[name], marks, row) for name, marks in subject.labels().items()}
            same = all(name in mine and value.shape == mine[name].shape for name, value in whole.items())
            gap = max(subject.compare(whole, mine, alone)) if same else 0.0  # else "shape" tells of it
            if gap > worst:
                worst, how = gap, "a sample alone differs from itself in a batch by {}"
    if worst <= subject.tolerance:
        return _similarities(subject)
    fix = (
        "nn.MultiheadAttention reads (batch, dim) as one unbatched sequence and, without batch_first=True, "
        "(batch, tokens, dim) as (tokens, batch, dim): give (batch, tokens, dim) with batch_first=True. Else look at "
        "the axis of each softmax, mean and norm. Sequence-first on purpose: examine(…, layout='tokens-first')."
    )
    where = where_is(subject.module)
    return [Finding("batch-leak", "error", "Samples of a batch mix", how.format(number(worst)), where, fix)]
