"""Batches: every row once, each item once, missing as an all-False row."""

import dataclasses
import time

import pytest
import torch

from interfuse.core.errors import DataError, StoreError
from interfuse.core.seeds import generator
from interfuse.data import ahead, epoch_batches, eval_batches, make_batch, make_known
from tests.patience import PATIENCE_S


@pytest.fixture
def features():
    return make_known("known:binding", rows=(50, 10, 10))


def test_an_epoch_gives_every_row_once_in_an_order_of_the_seed(features):
    rows = features.splits["train"]
    first = torch.cat([b.rows for b in epoch_batches(features, rows, 16, generator(1, "order"))])
    again = torch.cat([b.rows for b in epoch_batches(features, rows, 16, generator(1, "order"))])
    other = torch.cat([b.rows for b in epoch_batches(features, rows, 16, generator(2, "order"))])
    assert first.sort().values.equal(rows)
    assert first.equal(again)
    assert not first.equal(other)


def test_modality_dropout_does_not_change_the_order(features):
    rows = features.splits["train"]
    plain = [b.rows for b in epoch_batches(features, rows, 16, generator(1, "order"))]
    dropped = [b.rows for b in epoch_batches(features, rows, 16, generator(1, "order"), 0.5)]
    assert all(a.equal(b) for a, b in zip(plain, dropped, strict=True))


def test_a_batch_holds_each_item_once_and_points_at_it(features):
    shared = dataclasses.replace(features, image_items=features.image_items // 5)
    batch = make_batch(shared, torch.arange(20))
    assert len(batch.image.tokens) == 4
    expected = shared.image.gather(shared.image_items[:20])
    assert batch.image.tokens[batch.image_index].equal(expected.tokens)


def test_a_missing_item_is_an_all_false_row(features):
    items = features.text_items.clone()
    items[3] = -1
    batch = make_batch(dataclasses.replace(features, text_items=items), torch.arange(5))
    real = batch.text.mask[batch.text_index].any(1)
    assert real.tolist() == [True, True, True, False, True]


def test_modality_dropout_never_takes_both_nor_the_only_one(features):
    items = features.text_items.clone()
    items[:25] = -1
    lame = dataclasses.replace(features, text_items=items)
    lost = {"image": 0, "text": 0}
    for batch in epoch_batches(lame, lame.splits["train"], 16, generator(1, "order"), 0.9):
        image = batch.image.mask[batch.image_index].any(1)
        text = batch.text.mask[batch.text_index].any(1)
        assert (image | text).all()
        lost["image"] += int((~image).sum())
        lost["text"] += int((~text & (batch.rows >= 25)).sum())
    assert lost["image"] > 3
    assert lost["text"] > 3


def test_evaluation_keeps_the_order(features):
    rows = torch.tensor([5, 3, 9, 1])
    assert torch.cat([b.rows for b in eval_batches(features, rows, 3)]).equal(rows)


def test_items_that_no_table_holds_are_refused(features):
    with pytest.raises(DataError, match="image item 70 is past the 70 items of its table"):
        dataclasses.replace(features, image_items=features.image_items + 1)


def test_rows_of_like_length_share_a_batch(features):
    lengths = torch.arange(70) % 6 + 1
    mask = torch.arange(6) < lengths[:, None]
    ragged = dataclasses.replace(features, text=dataclasses.replace(features.text, mask=mask))
    batches = list(epoch_batches(ragged, ragged.splits["train"], 8, generator(1, "order")))
    padded = sum(batch.text.mask.shape[1] * len(batch.rows) for batch in batches)
    assert padded <= 1.35 * int(lengths[:50].sum())
    widths = [batch.text.mask.shape[1] for batch in batches]
    assert widths not in (sorted(widths), sorted(widths, reverse=True))


def test_a_batch_moves_all_that_the_network_needs(features):
    moved = make_batch(features, torch.arange(5)).to(torch.device("meta"))
    needed = (*moved.image, *moved.text, moved.image_index, moved.text_index, moved.labels)
    assert all(value.device.type == "meta" for value in needed)
    assert moved.rows.device.type == "cpu"


def test_batches_ahead_are_the_same_batches_in_the_same_order():
    numbers = iter(range(7))
    assert list(ahead(numbers)) == list(range(7))
    assert list(ahead(iter(()))) == []


def test_the_next_batch_is_gathered_while_one_is_used():
    gathered = []

    def batches():
        for number in range(4):
            gathered.append(number)
            yield number

    coming = ahead(batches())
    assert next(coming) == 0
    deadline = time.monotonic() + PATIENCE_S
    while gathered != [0, 1] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gathered == [0, 1], "one batch ahead, and no further"
    coming.close()


def test_what_goes_wrong_while_gathering_ahead_is_raised():
    def batches():
        yield 1
        raise StoreError("damaged")

    coming = ahead(batches())
    assert next(coming) == 1
    with pytest.raises(StoreError, match="damaged"):
        next(coming)
