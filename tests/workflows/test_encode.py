"""Encoding: once each, overlapped, safe to kill."""

import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from interfuse.core.errors import DataError
from interfuse.core.progress import Silent
from interfuse.core.tokens import Tokens
from interfuse.encoders import PreparedTexts
from interfuse.store import TokenStore
from interfuse.workflows.encode import encode_pictures, encode_texts


class ToyImages:
    """Tokens that depend on the batch in their last bits, as a real encoder's do."""

    name, dim, grid = "toy", 4, (1, 2)
    signature = {"name": "toy"}  # noqa: RUF012

    def __init__(self) -> None:
        self.calls = 0

    def prepare(self, picture: Image.Image) -> torch.Tensor:
        return torch.tensor(picture.getpixel((0, 0))).float().view(3, 1, 1)

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        colour = pictures.flatten(1).mean(1)
        return (colour[:, None, None] + colour.sum() / 1000 + torch.arange(8.0).view(2, 4)).contiguous()


class ToyTexts:
    """One token a letter; counts its calls."""

    name, dim, max_length = "toy", 3, 6
    signature = {"name": "toy texts"}  # noqa: RUF012

    def __init__(self) -> None:
        self.lengths: list[list[int]] = []

    def prepare(self, texts: list[str]) -> PreparedTexts:
        return PreparedTexts([[ord(c) for c in t][:6] for t in texts], sum(len(t) > 6 for t in texts))

    def encode(self, ids: list[list[int]]) -> Tokens:
        self.lengths.append([len(row) for row in ids])
        mask = torch.arange(max(map(len, ids))) < torch.tensor([len(row) for row in ids])[:, None]
        return Tokens(mask[..., None].float().expand(-1, -1, 3) * len(ids), mask)


def openers(count: int, bad: tuple[int, ...] = ()):
    def opener(number: int):
        def run() -> Image.Image:
            if number in bad:
                raise DataError(f"picture {number} is truncated")
            return Image.new("RGB", (1, 1), (number, 0, 0))

        return run

    return {f"{n * 7919 % 10_007:032x}": opener(n) for n in range(count)}


def test_a_second_run_encodes_nothing(tmp_path):
    encoder, items = ToyImages(), openers(10)
    store = TokenStore(tmp_path, encoder.signature, 4, (1, 2))
    first = encode_pictures(store, encoder, items, 4, Silent())
    assert (first.encoded, first.found, encoder.calls) == (10, 0, 3)
    again = encode_pictures(TokenStore(tmp_path, encoder.signature, 4), encoder, items, 4, Silent())
    assert (again.encoded, again.found, encoder.calls) == (0, 10, 3)


def test_a_bad_picture_is_reported_and_the_others_are_encoded_just_once(tmp_path):
    encoder, items = ToyImages(), openers(10, bad=(3,))
    store = TokenStore(tmp_path, encoder.signature, 4)
    report = encode_pictures(store, encoder, items, 4, Silent())
    assert (report.encoded, list(report.failures.values())) == (9, ["picture 3 is truncated"])
    calls = encoder.calls
    again = encode_pictures(store, encoder, items, 4, Silent())
    assert (again.encoded, len(again.failures), encoder.calls) == (0, 1, calls)


def test_an_interrupted_run_ends_with_the_bytes_of_an_undisturbed_one(tmp_path):
    items = openers(23)
    whole, broken = (TokenStore(tmp_path / name, ToyImages.signature, 4) for name in ("whole", "broken"))
    encode_pictures(whole, ToyImages(), items, 4, Silent())

    class Stops(ToyImages):
        def encode(self, pictures: torch.Tensor) -> torch.Tensor:
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().encode(pictures)

    with pytest.raises(KeyboardInterrupt):
        encode_pictures(broken, Stops(), items, 4, Silent())
    rest = broken.missing(items)
    assert 0 < len(rest) < 23
    encode_pictures(broken, ToyImages(), items, 4, Silent())
    keys, every = list(items), torch.arange(23)
    assert whole.table(keys).gather(every).tokens.equal(broken.table(keys).gather(every).tokens)


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.workflows.test_encode import ToyImages, openers
from interfuse.core.progress import Silent
from interfuse.store import TokenStore, store
from interfuse.workflows.encode import encode_pictures
store.SHARD_BYTES = 64
class Slow(ToyImages):
    def encode(self, pictures):
        time.sleep(0.01)
        return super().encode(pictures)
print("ready", flush=True)
encode_pictures(TokenStore(Path({root!r}), ToyImages.signature, 4), Slow(), openers(120), 4, Silent())
"""


def test_killed_at_random_moments_it_finishes_with_the_same_bytes(tmp_path, request):
    items, draw = openers(120), random.Random(0)
    whole = TokenStore(tmp_path / "whole", ToyImages.signature, 4)
    encode_pictures(whole, ToyImages(), items, 4, Silent())
    script = KILLED.format(tests=str(request.config.rootpath), root=str(tmp_path / "killed"))
    killed = 0
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0.02, 0.25))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert killed >= 2
    store = TokenStore(tmp_path / "killed", ToyImages.signature, 4)
    encode_pictures(store, ToyImages(), items, 4, Silent())
    keys, every = list(items), torch.arange(120)
    assert whole.table(keys).gather(every).tokens.equal(store.table(keys).gather(every).tokens)


def test_texts_are_batched_by_length_and_the_long_ones_counted(tmp_path):
    encoder = ToyTexts()
    texts = ["a", "bb", "cccccccc", "dd", "e", "ffff"]
    items = {f"{n:032x}": text for n, text in enumerate(texts)}
    store = TokenStore(tmp_path, encoder.signature, 3)
    report = encode_texts(store, encoder, items, 2, Silent())
    assert (report.encoded, report.cut) == (6, 1)
    assert encoder.lengths == [[1, 1], [2, 2], [4, 6]]
    found = store.table(list(items)).gather(torch.arange(6))
    assert found.mask.sum(1).tolist() == [1, 2, 6, 2, 1, 4]
    assert encode_texts(store, encoder, items, 2, Silent()).encoded == 0
    assert len(encoder.lengths) == 3
