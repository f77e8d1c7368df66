"""Fewer numbers a token: the principal components of the train tokens, kept beside what they made."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.core.files import write_atomically
from interfuse.core.outside import check_regular_file
from interfuse.core.seeds import generator

LARGEST = 1 << 32
"""Bytes of the largest file of projections that is read: two of 16,384 directions each."""
SAMPLE_TOKENS = 200_000
"""Train tokens that a projection is fitted on at most."""


@dataclass(frozen=True)
class Projection:
    """`(x - mean) basis`: a token on the directions in which the train tokens vary most."""

    mean: Float[Tensor, " dim"]
    basis: Float[Tensor, "dim components"]
    """Orthonormal columns that span the principal components, turned so that each carries a like share of them."""
    explained: float = 1.0
    """Fraction of the train tokens' variance that is kept."""
    tokens: int = 0
    """Train tokens that it was fitted on."""
    digest: str = field(init=False)
    """Hash of `mean` and `basis`."""

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit; hash the content."""
        if self.basis.ndim != 2 or self.mean.shape != self.basis.shape[:1] or self.mean.dtype != torch.float32:
            raise StoreError(
                f"A projection has mean {tuple(self.mean.shape)} and basis {tuple(self.basis.shape)}; expected (dim) "
                "and (dim, components), float32."
            )
        content = b"".join(part.contiguous().numpy().tobytes() for part in (self.mean, self.basis))
        object.__setattr__(self, "digest", hashlib.blake2b(content, digest_size=16).hexdigest())

    @property
    def dim(self) -> int:
        """Width of a projected token."""
        return self.basis.shape[1]

    def apply(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch components"]:
        """Project tokens, float32."""
        mean, basis = self.mean.to(tokens.device), self.basis.to(tokens.device)
        return (tokens.float() - mean) @ basis


def fit_projection(chunks: Iterable[Float[Tensor, "_ dim"]], components: int) -> Projection:
    """Fit the first `components` principal components of at most `SAMPLE_TOKENS` tokens.

    The covariance is summed up chunk by chunk, so that no more than a chunk lies in memory. The components are turned
    among themselves by a fixed random rotation: it loses nothing, and standardising the channels later, as an adapter
    does, does not blow the last and noisiest component up to the size of the first. An 8-bit scale gains by it too.

    Raises:
        StoreError: there is no token, or `components` is not below their width.
    """
    count, shift = 0, torch.zeros(())
    total, square = torch.zeros(()), torch.zeros(())
    for chunk in chunks:
        values = chunk[: SAMPLE_TOKENS - count].float()
        if not len(values):
            continue
        if not count:
            shift = values.mean(0)  # near the mean: the squares lose no digits to it
            total, square = values.new_zeros(chunk.shape[1], dtype=torch.float64), torch.zeros(()).double()
        values = values - shift
        count += len(values)
        total = total + values.double().sum(0)
        square = square + (values.T @ values).double()
        if count >= SAMPLE_TOKENS:
            break
    if not count or not 1 <= components < len(total):
        raise StoreError(f"Cannot keep {components} of {total.numel()} numbers a token, fitted on {count:,} tokens.")
    offset = total / count
    variances, vectors = torch.linalg.eigh(square / count - offset.outer(offset))
    basis = vectors.flip(1)[:, :components]
    noise = torch.randn(components, components, generator=generator(0, "projection"), dtype=torch.float64)
    basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign() @ torch.linalg.qr(noise)[0]
    variances = variances.clamp_min(0)
    explained = variances[-components:].sum() / variances.sum().clamp_min(torch.finfo(torch.float64).tiny)
    return Projection((shift + offset).float(), basis.float().contiguous(), float(explained), count)


def save_projections(path: Path, projections: Mapping[str, Projection]) -> None:
    """Write projections by name as one safetensors file."""
    tensors = {f"{name}.{part}": getattr(p, part) for name, p in projections.items() for part in ("mean", "basis")}
    facts = {f"{name}.{fact}": repr(getattr(p, fact)) for name, p in projections.items() for fact in _FACTS}
    write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=facts))


_FACTS = {"explained": float, "tokens": int}


def load_projections(path: Path) -> dict[str, Projection]:
    """Read what `save_projections` wrote.

    Raises:
        StoreError: the file cannot be read, or is none of ours.
    """
    try:
        check_regular_file(path, LARGEST)
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            names = sorted({key.rpartition(".")[0] for key in file.keys()})  # noqa: SIM118  (it is no mapping)
            return {
                name: Projection(
                    *(file.get_tensor(f"{name}.{part}") for part in ("mean", "basis")),
                    **{fact: kind(facts[f"{name}.{fact}"]) for fact, kind in _FACTS.items()},
                )
                for name in names
            }
    except (OSError, SafetensorError, LookupError, ValueError, TypeError) as error:
        raise StoreError(f"{path} holds no projection: {error}. Remove it; the next encoding fits it anew.") from error
