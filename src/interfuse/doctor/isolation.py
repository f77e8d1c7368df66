"""Promises about rows and randomness: each sample stands alone, and eval is deterministic."""

import torch

from interfuse.doctor.findings import Finding
from interfuse.doctor.outputs import Labels, change
from interfuse.doctor.subject import Inputs, Subject
from interfuse.doctor.words import number, where_is


def is_deterministic_in_eval(subject: Subject) -> list[Finding]:
    """Give bit for bit the same output twice in eval mode, and leave the state alone."""
    inputs = subject.inputs()
    plain = subject.variant(seeded=False)
    before = {key: value.clone() for key, value in subject.module.state_dict().items()}
    first, second = plain.look(inputs), plain.look(inputs)
    after = subject.module.state_dict()
    moved = [key for key, value in after.items() if key not in before or not _same(before[key], value)]
    found: list[Finding] = []
    if moved:
        evidence = f"one call without gradient changed {', '.join(moved)}"
        mend = "Update buffers under `if self.training:` alone."
        where = where_is(subject.module)
        found.append(Finding("state-moves", "warning", "A call in eval mode changes the state", evidence, where, mend))
    given = Inputs(*(value.clone() for value in inputs))
    with torch.no_grad():
        subject.call(subject.module, *given)
    if any(change(a, b) > 0 for a, b in zip(given[:2], inputs[:2], strict=True)):
        evidence, mend = "after a call the tensors given hold other values", "x = x / n instead of x /= n."
        where = where_is(subject.module)
        found.append(Finding("inputs-change", "warning", "It changes its inputs in place", evidence, where, mend))
    gap = max((change(first[name], second[name]) for name in first if name in second), default=0.0)
    if gap > 0 and not moved:
        found.append(
            Finding(
                "random-in-eval",
                "error",
                "The output is random in eval mode",
                f"the same batch twice differs by {number(gap)}",
                where_is(subject.module),
                "Draw only `if self.training:`; give F.dropout training=self.training; fix noise or choices in eval.",
            )
        )
    return found


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and change(first, second) == 0


def _own(leaf: torch.Tensor, marks: Labels, row: int) -> torch.Tensor:
    """Take what one row of a batch was given, as a batch of one."""
    for axis, mark in enumerate(marks):
        if mark in ("batch", "pair"):
            leaf = leaf.narrow(axis, row, 1)
    return leaf


def lets_each_sample_stand_alone(subject: Subject) -> list[Finding]:
    """Give a row the same output whatever the other rows hold, and when it is alone."""
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
        return []
    mend = (
        "nn.MultiheadAttention reads (batch, dim) as one unbatched sequence and, without batch_first=True, "
        "(batch, tokens, dim) as (tokens, batch, dim): give (batch, tokens, dim) with batch_first=True. Else look at "
        "the axis of each softmax, mean and norm. Sequence-first on purpose: examine(…, layout='tokens-first')."
    )
    where = where_is(subject.module)
    return [Finding("batch-leak", "error", "Samples of a batch mix", how.format(number(worst)), where, mend)]
