"""TF-IDF of words and of pieces of words: what a text is like without an encoder, in any language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.sparse import csr_array, hstack
from torch import Tensor

from interfuse.core.checks import NUMBER, TEXT, check_record, list_of
from interfuse.core.errors import DataError
from interfuse.core.files import read_json
from interfuse.core.tokens import Tokens

WORD = r"(?u)\b\w+\b"
"""What a word is: letters and digits."""
KINDS: Mapping[str, Mapping[str, Any]] = {
    "words": {"analyzer": "word", "token_pattern": WORD, "ngram_range": (1, 2), "max_features": 20_000},
    "characters": {"analyzer": "char_wb", "ngram_range": (1, 4), "max_features": 30_000},
}
"""Words and pairs of them; one to four letters in a row, which need no spaces between words."""


@dataclass(frozen=True)
class Bag:
    """The terms that occur in some texts, and how much each weighs.

    `(1 + log count) · idf`, `idf = 1 + log((1 + texts) / (1 + texts with the term))`, words and characters each of
    length 1. A term of a text that is not known counts nothing.

    Reference:
        Spärck Jones 1972, https://doi.org/10.1108/eb026526, as scikit-learn's `TfidfVectorizer` has it.
    """

    terms: Mapping[str, Sequence[str]]
    """Kind, of `KINDS`, to its terms, in the order of the columns."""
    idf: Float[np.ndarray, " terms"] = field(repr=False)
    """Of the terms of all kinds."""

    def __post_init__(self) -> None:
        """Refuse terms of other kinds, twice the same, or more or fewer than weights."""
        distinct = sum(len(set(terms)) for terms in self.terms.values())
        if tuple(self.terms) != tuple(KINDS) or distinct != len(self.idf):
            raise DataError(
                f"A vocabulary has {' and '.join(KINDS)}, each term once and with a weight, got "
                f"{', '.join(self.terms)}: {distinct:,} terms, {len(self.idf):,} weights."
            )

    @classmethod
    def read(cls, path: Path, dim: int) -> "Bag":
        """Read what `to_plain` gave.

        Args:
            path: of the file.
            dim: number of terms that it must have.

        Raises:
            DataError: the file was damaged, or holds another vocabulary.
        """
        kinds = {**dict.fromkeys(KINDS, list_of(TEXT)), "idf": list_of(NUMBER)}
        record = check_record(path, read_json(path), kinds, tuple(kinds))
        if len(record["idf"]) != dim:
            raise DataError(f"{path} has {len(record['idf']):,} terms, and the network beside it reads {dim:,}.")
        return cls({kind: record[kind] for kind in KINDS}, np.array(record["idf"], np.float32))

    def to_plain(self) -> dict[str, Any]:
        """Return the terms of each kind and the weights, as JSON has them."""
        return {**{kind: list(terms) for kind, terms in self.terms.items()}, "idf": self.idf.tolist()}

    @property
    def dim(self) -> int:
        """How many terms there are."""
        return len(self.idf)

    def weigh(self, texts: Sequence[str]) -> csr_array:
        """Return a row for each text, a column for each term."""
        if not texts:
            return csr_array((0, self.dim), dtype=np.float32)
        return csr_array(hstack([vectorizer.transform(texts) for vectorizer in self._vectorizers], format="csr"))

    @cached_property
    def _vectorizers(self) -> list[Any]:
        vectorizers, start = [], 0
        for kind, terms in self.terms.items():
            if not terms:
                continue
            places = {term: place for place, term in enumerate(terms)}
            vectorizer = _vectorizer(kind, vocabulary=places)
            vectorizer.idf_ = self.idf[start : start + len(terms)]
            vectorizers.append(vectorizer)
            start += len(terms)
        return vectorizers


def fit_bag(texts: Sequence[str]) -> Bag:
    """Take in the terms that at least two of the texts have, the most frequent first; of few texts every term.

    Args:
        texts: of the train rows.
    """
    terms, weights = dict[str, Sequence[str]](), []
    for kind in KINDS:
        vectorizer = _fit(kind, texts, 2) or _fit(kind, texts, 1)
        terms[kind] = vectorizer.get_feature_names_out().tolist() if vectorizer else ()
        weights.append(np.asarray(vectorizer.idf_, np.float32) if vectorizer else np.zeros(0, np.float32))
    if not any(map(len, terms.values())):  # no text at all
        terms, weights = {**terms, "characters": (" ",)}, [np.ones(1, np.float32)]
    return Bag(terms, np.concatenate(weights))


def _fit(kind: str, texts: Sequence[str], least: int) -> Any:
    """Return what was fitted; None where no term is in so many texts."""
    try:
        return _vectorizer(kind, min_df=least).fit(texts)
    except ValueError:
        return None


def _vectorizer(kind: str, **more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer  # a second to import; most runs read no bag

    return TfidfVectorizer(**KINDS[kind], sublinear_tf=True, dtype=np.float32, **more)


@dataclass(frozen=True)
class BagTable:
    """A `TokenTable` of texts, each one token: its row of the bag."""

    rows: csr_array
    """An item a row, a term a column."""

    @property
    def dim(self) -> int:
        """Width of a token: the number of terms."""
        return int(self.rows.shape[1])

    @property
    def grid(self) -> None:
        """Texts have no grid."""
        return

    def __len__(self) -> int:
        """Count the items."""
        return int(self.rows.shape[0])

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the tokens of these items; item -1 has none."""
        return (items >= 0).long()

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Return the tokens of these items; item -1 is missing (mask all False)."""
        there = items >= 0
        tokens = torch.zeros(len(items), 1, self.dim)
        if there.any():
            tokens[there, 0] = torch.from_numpy(self.rows[items[there].numpy()].toarray())
        return Tokens(tokens, there.unsqueeze(1))
