"""A pair of modalities: one thing of the image and one of the text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Modalities(Generic[T]):
    """One thing of the image and one of the text; walked over, the image comes first.

    No `NamedTuple`, though it unpacks like one: beartype knows no generic one.

    >>> widths = Modalities(image=2048, text=768)
    >>> widths.of("text")
    768
    >>> dict(widths.named())
    {'image': 2048, 'text': 768}
    """

    image: T
    text: T

    def __iter__(self) -> Iterator[T]:
        """Walk over both."""
        return iter((self.image, self.text))

    def of(self, modality: str) -> T:
        """Return the thing of the modality of this name."""
        return dict(self.named())[modality]

    def named(self) -> Iterator[tuple[str, T]]:
        """Walk over both with their names."""
        return zip(MODALITIES, self, strict=True)


MODALITIES = Modalities(image="image", text="text")
"""The names."""
