"""Features: what does not fit together is refused by name."""

import dataclasses

import polars as pl
import pytest
import torch

from interfuse.core.errors import DataError
from interfuse.core.tokens import MemoryTable
from interfuse.data import SourceSettings, assemble, load_examples, make_known
from interfuse.data.examples import text_key


@pytest.fixture
def features():
    return make_known("known:xor", rows=(40, 8, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: {"labels": f.labels[:3]}, "labels has 3 rows, ids have 56"),
        (lambda f: {"text_items": f.text_items - 2}, "text item -2 is below -1, which means missing"),
        (lambda f: {"labels": f.labels.float()}, r"multiclass labels are int64 \(rows,\), got torch.float32 \(56,\)"),
        (lambda f: {"labels": f.labels + 1}, "labels run from 1 to 2, but there are 2 classes"),
        (lambda f: {"task": "multilabel"}, r"multilabel labels are float32 \(56, 2\), got torch.int64 \(56,\)"),
        (lambda f: {"splits": {"train": torch.tensor([56])}}, "split 'train' has row numbers from 56 to 56"),
        (lambda f: {"splits": {**f.splits, "test": torch.tensor([0])}}, "split 'test' has a row that is there already"),
        (lambda f: {"splits": {"train": torch.tensor([1, 1])}}, "split 'train' has a row that is there already"),
    ],
)
def test_what_does_not_fit_together_is_refused(features, change, message):
    with pytest.raises(DataError, match=message):
        dataclasses.replace(features, **change(features))


def rows(kind: list) -> dict[str, list]:
    return {"title": [f"thing {n % 9}" for n in range(len(kind))], "kind": kind}


def test_rows_point_at_the_tokens_of_their_texts_and_lack_a_picture():
    frame = pl.DataFrame(rows([["a", "b"] if n % 2 else [] for n in range(40)]))
    examples = load_examples(frame, SourceSettings(text="title", label="kind"))
    texts = {key: item for item, key in enumerate(examples.texts())}
    assert len(texts) == 9
    table = MemoryTable(torch.zeros(9, 2, 4), torch.ones(9, 2, dtype=torch.bool))
    none = MemoryTable(torch.zeros(0, 1, 4), torch.ones(0, 1, dtype=torch.bool))
    found = assemble(examples, none, {}, table, texts)
    assert found.image_items.eq(-1).all()
    assert found.text_items[3] == texts[text_key("thing 3")]
    assert found.labels[:2].tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert sorted(torch.cat(list(found.splits.values())).tolist()) == list(range(40))
    with pytest.raises(DataError, match=f"The text {text_key('thing 0')} has no tokens: encode the rows"):
        assemble(examples, none, {}, table, {})
