"""TF-IDF of words and letters beside a slow count by hand; what is kept of it is plain text and numbers."""

import itertools
import json
import math
import re

import numpy as np
import pytest
import torch

from interfuse.core.errors import DataError
from interfuse.encoders import Bag, BagTable, fit_bag

TEXTS = ["A red bicycle", "a blue car, a red car", "红色自行车", "红色的车", "The red car!", "", "a\ta  b"]


def pieces_of(text: str, kind: str) -> list[str]:
    text = text.lower()
    if kind == "words":
        words = re.findall(r"\w+", text)
        return words + [f"{first} {second}" for first, second in itertools.pairwise(words)]
    pieces = []
    for word in text.split():
        padded = f" {word} "
        for size in (1, 2, 3, 4):
            if size <= len(padded):
                pieces += [padded[at : at + size] for at in range(len(padded) - size + 1)]
    return pieces


def weigh_slowly(bag: Bag, texts: list[str], fitted_on: list[str]) -> np.ndarray:
    columns = []
    for kind, terms in bag.terms.items():
        block = np.zeros((len(texts), len(terms)))
        for column, term in enumerate(terms):
            holders = sum(term in pieces_of(text, kind) for text in fitted_on)
            for row, text in enumerate(texts):
                count = pieces_of(text, kind).count(term)
                if count:
                    block[row, column] = (1 + math.log(count)) * (1 + math.log((1 + len(fitted_on)) / (1 + holders)))
        lengths = np.sqrt((block**2).sum(1, keepdims=True))
        columns.append(block / np.where(lengths > 0, lengths, 1))
    return np.concatenate(columns, 1)


def test_weights_are_those_of_the_formula_also_for_texts_that_were_not_there():
    bag, new = fit_bag(TEXTS), ["a red red car", "蓝色的车", "nothing of this"]
    np.testing.assert_allclose(bag.weigh([*TEXTS, *new]).toarray(), weigh_slowly(bag, [*TEXTS, *new], TEXTS), atol=1e-6)
    assert {"red", "a red", "car"} <= set(bag.terms["words"])  # in two texts or more
    assert "bicycle" not in bag.terms["words"]
    assert "红色" in bag.terms["characters"]


def test_a_bag_is_plain_text_and_numbers_and_a_wrong_one_is_refused():
    bag = fit_bag(TEXTS)
    terms = json.loads(json.dumps(bag.terms))
    np.testing.assert_array_equal(Bag(terms, bag.idf).weigh(TEXTS).toarray(), bag.weigh(TEXTS).toarray())
    for wrong in ({**terms, "words": terms["words"][1:]}, {"words": terms["words"]}, {**terms, "more": []}):
        with pytest.raises(DataError, match="A vocabulary has words and characters"):
            Bag(wrong, bag.idf)


@pytest.mark.parametrize("texts", [[], [""], ["!!!"], ["one text"]])
def test_few_texts_or_none_make_a_bag_too(texts):
    bag = fit_bag(texts)
    assert bag.dim >= 1
    assert bag.weigh([]).shape == (0, bag.dim)
    assert np.isfinite(bag.weigh(["one text", ""]).toarray()).all()


def test_a_table_gathers_its_texts_and_a_missing_one_has_no_token():
    bag = fit_bag(TEXTS)
    table = BagTable(bag.weigh(TEXTS))
    tokens, mask = table.gather(torch.tensor([2, -1, 0]))
    assert mask.tolist() == [[True], [False], [True]]
    assert torch.equal(tokens[:, 0], torch.from_numpy(bag.weigh([TEXTS[2], "", TEXTS[0]]).toarray()))
    assert (len(table), table.dim, table.grid) == (len(TEXTS), bag.dim, None)
    assert table.lengths(torch.tensor([0, -1])).tolist() == [1, 0]
    assert not table.gather(torch.tensor([-1])).mask.any()
