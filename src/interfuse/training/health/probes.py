"""What a sampled step listens to inside the network: attention, gates, and how far each modality is used."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from interfuse.core.modalities import Modalities
from interfuse.core.tasks import is_single_class
from interfuse.core.tokens import Tokens
from interfuse.fusion import FusionMechanism
from interfuse.nn import Attention, ValueGate, masked_softmax
from interfuse.training.network import Network

ROWS = 32
"""Rows of a batch, spread over it, that the probes look at."""
SATURATED = math.log(99)
"""Size of what enters a sigmoid from which on its value is outside 0.01 to 0.99."""
DEAD_HEAD = 1e-4
"""A head is dead where its gradient is below this share of the strongest head's."""
RELUS = (torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, functional.relu, functional.relu_)
"""What a ReLU may be called by; `nn.ReLU` calls one of these."""


def head_entropy(
    query: Float[Tensor, "batch queries dim"],
    key: Float[Tensor, "batch keys dim"],
    mask: Tensor | None,
    num_heads: int,
) -> tuple[Tensor, int]:
    """Return the mean of `H(p) / log(keys)` over rows, heads and queries (0 to 1), and the most keys that a row has.

    `p` is the softmax of the scaled scores; rows with a single key, over which there is nothing to choose, are left
    out; where every row is such the mean is NaN.
    """
    q, k = (x.float().unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query, key))
    keys = torch.ones(key.shape[:2], dtype=torch.bool, device=key.device) if mask is None else mask
    weights = masked_softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, keys[:, None, None, :])
    entropy = -(weights * weights.clamp_min(1e-30).log()).sum(-1).mean((1, 2))  # (batch,)
    count = keys.sum(1)
    return (entropy / count.clamp_min(2).log())[count > 1].mean(), int(count.max())


def gate_saturation(values: Tensor) -> Tensor:
    """Return the share of a sigmoid gate's values that are outside 0.01 to 0.99, from what enters the sigmoid."""
    return (values.detach().float().abs() > SATURATED).float().mean()


@dataclass
class Readings:
    """What the probes of one module measured during a step."""

    values: list[tuple[Tensor, int]]


class ReluProbe(TorchFunctionMode):
    """Hear every ReLU while a block runs: functional ones too, which are no modules.

    `dead` holds, by the block's name and the place of the ReLU in it, the share of units that were 0 for every row and
    token of the batch, and so got no gradient.
    """

    def __init__(self, block: str, dead: dict[str, Tensor]) -> None:
        """Begin with the block's first ReLU.

        Args:
            block: its name.
            dead: what to write to.
        """
        super().__init__()
        self.block, self.dead, self.count = block, dead, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function; of a ReLU look at what it gave, (batch, units) or (batch, tokens, units)."""
        output = func(*args, **(kwargs or {}))
        if func in RELUS and output.ndim in (2, 3):
            self.dead[f"{self.block}.relu_{self.count}"] = (output.detach() <= 0).flatten(0, -2).all(0).float().mean()
            self.count += 1
        return output


class Probes:
    """Forward hooks on every attention, gate and ReLU of a network while a step runs, and what they measured."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        """Find what to listen to under each block's name; nothing is attached yet."""
        children = [
            (f"{block}.{name}".rstrip("."), m) for block, top in modules.items() for name, m in top.named_modules()
        ]
        self.attention = {name: m for name, m in children if isinstance(m, Attention)}
        self.gates = dict(_gates(children))
        self.blocks = dict(modules)
        self.dead: dict[str, Tensor] = {}
        self.readings: dict[str, Readings] = {}
        self._handles: list[Any] = []

    def attach(self) -> None:
        """Begin to listen."""
        self.readings, self.dead = {}, {}
        for name, block in self.blocks.items():
            self._hear_relus(name, block)
        for name, module in self.attention.items():
            # `attend`, not a hook: some mechanisms project once and attend twice, past `forward`
            module.attend = self._hear_attention(name, module)  # type: ignore[method-assign]
        for name, (linear, half) in self.gates.items():
            self._handles.append(linear.register_forward_hook(self._hear_gate(name, half)))

    def detach(self) -> None:
        """End listening; the network is as it was."""
        for module in self.attention.values():
            module.__dict__.pop("attend", None)
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def attention_rows(self) -> list[dict[str, Any]]:
        """Return a row for every attention that ran, its gradients included."""
        return [
            {"name": name, **_mean(self.readings[name].values), **_head_gradients(module)}
            for name, module in self.attention.items()
            if name in self.readings
        ]

    def gate_rows(self) -> list[dict[str, Any]]:
        """Return a row for every gate that ran."""
        return [
            {"name": name, "saturation": float(_mean(self.readings[name].values)["entropy"])}
            for name in self.gates
            if name in self.readings
        ]

    def relu_rows(self) -> list[dict[str, Any]]:
        """Return a row for every ReLU that ran."""
        return [{"name": name, "dead": float(share)} for name, share in self.dead.items()]

    def _hear_relus(self, name: str, block: nn.Module) -> None:
        probes: list[ReluProbe] = []

        def begin(_: nn.Module, __: Any) -> None:
            probes.append(ReluProbe(name, self.dead))
            probes[-1].__enter__()  # type: ignore[no-untyped-call]

        def end(_: nn.Module, __: Any, ___: Any) -> None:
            if probes:
                probes.pop().__exit__(None, None, None)  # type: ignore[no-untyped-call]

        self._handles.append(block.register_forward_pre_hook(begin))
        self._handles.append(block.register_forward_hook(end, always_call=True))

    def _hear_attention(self, name: str, module: Attention) -> Callable[..., Tensor]:
        original = type(module).attend

        def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
            with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
                rows = spread(len(query)).to(query.device)
                keys = None if mask is None else mask[rows]
                reading = head_entropy(query[rows], key[rows], keys, module.num_heads)
            self.readings.setdefault(name, Readings([])).values.append(reading)
            answer: Tensor = original(module, query, key, value, mask)
            return answer

        return attend

    def _hear_gate(self, name: str, half: bool) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            values = output.chunk(2, -1)[1] if half else output
            self.readings.setdefault(name, Readings([])).values.append((gate_saturation(values), 0))

        return hook


def spread(count: int) -> Tensor:
    """Return at most `ROWS` row numbers, spread evenly."""
    return torch.arange(count) if count <= ROWS else torch.linspace(0, count - 1, ROWS).long()


@torch.no_grad()
def modality_use(network: Network, inputs: tuple[Tensor, ...], task: str) -> Modalities[float | None]:
    """Measure how far the prediction moves when a row is given another row's picture, or another row's text.

    Mean total variation distance between the class probabilities, 0 to 1 (multilabel: mean absolute difference;
    else: mean absolute difference in standard deviations of the output, at most 1); None for a modality that the
    mechanism does not take. Dropout is off; only the fusion and the head run.
    """
    rows = spread(len(inputs[0])).to(inputs[0].device)
    image, text, image_mask, text_mask = (x[rows].float() if x.is_floating_point() else x[rows] for x in inputs)
    other = torch.arange(len(rows), device=rows.device).roll(len(rows) // 2)
    parts = (network.fusion, network.head)
    was_training = [part.training for part in parts]
    for part in parts:
        part.eval()

    def predict(v: Tensor, t: Tensor, v_mask: Tensor, t_mask: Tensor) -> Tensor:
        logits = network.interact(Tokens(v, v_mask), Tokens(t, t_mask)).float()
        if is_single_class(task):
            return logits.softmax(-1)
        return logits.sigmoid() if task == "multilabel" else logits

    whole = predict(image, text, image_mask, text_mask)
    swaps = Modalities(
        image=(image[other], text, image_mask[other], text_mask),
        text=(image, text[other], image_mask, text_mask[other]),
    )
    modalities = network.fusion.modalities if len(rows) > 1 else ()
    use = Modalities(
        *(
            float(_distance((predict(*inputs) - whole).abs(), whole, task)) if name in modalities else None
            for name, inputs in swaps.named()
        )
    )
    for part, mode in zip(parts, was_training, strict=True):
        part.train(mode)
    return use


def _distance(shift: Tensor, whole: Tensor, task: str) -> Tensor:
    if is_single_class(task):
        return shift.sum(-1).mean() / 2
    if task == "multilabel":
        return shift.mean()
    return (shift.mean() / whole.std().clamp_min(1e-12)).clamp_max(1)


def _gates(modules: list[tuple[str, nn.Module]]) -> Iterator[tuple[str, tuple[nn.Linear, bool]]]:
    """Return the linear maps whose output enters a sigmoid, and whether that is its second half only."""
    for name, module in modules:
        if isinstance(module, ValueGate):
            yield name, (module, True)
        elif isinstance(module, FusionMechanism):
            for own, child in module.named_modules():
                if isinstance(child, nn.Linear) and own.rpartition(".")[2] in module.gates:
                    yield f"{name}.{own}", (child, False)


def _mean(values: list[tuple[Tensor, int]]) -> dict[str, Any]:
    entropies = torch.stack([value for value, _ in values])
    numbers = entropies[~entropies.isnan()]
    return {"entropy": float(numbers.mean()) if len(numbers) else None, "keys": max(keys for _, keys in values)}


def _head_gradients(module: Attention) -> dict[str, Any]:
    """Compare the gradients of the query and key with the value's, and of each head with the strongest."""
    if module.query.weight.grad is None or module.key_value.weight.grad is None:
        return {"heads": module.num_heads, "dead_heads": None, "query_key": None}
    key, value = module.key_value.weight.grad.chunk(2)
    norms = torch.stack(
        [
            grad.unflatten(0, (module.num_heads, -1)).flatten(1).norm(dim=1)
            for grad in (module.query.weight.grad, key, value)
        ]
    ).float()  # (query key value, heads)
    total = norms.norm(dim=1)
    if not float(total[2]) > 0:  # behind a closed gate, or nothing arrives at all
        return {"heads": module.num_heads, "dead_heads": None, "query_key": None}
    heads = norms.norm(dim=0)
    return {
        "heads": module.num_heads,
        "dead_heads": int((heads < DEAD_HEAD * heads.max()).sum()),
        "query_key": float(total[:2].norm() / total[2]),
    }
