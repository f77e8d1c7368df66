"""Encoding: once each, overlapped, safe to kill."""

import subprocess
import sys
import threading
import time

import pytest
import torch
from PIL import Image

from interfuse.core.errors import ConfigError, DataError, StoreError
from interfuse.core.progress import Silent
from interfuse.core.tokens import Tokens
from interfuse.encoders import PreparedTexts
from interfuse.settings import Portion
from interfuse.store import TokenStore
from interfuse.store.shard import read_items
from interfuse.workflows.encode.decode import AHEAD
from interfuse.workflows.encode.encode import encode_pictures, encode_texts
from interfuse.workflows.encode.parallel import MOST
from tests.patience import PATIENCE_S


class ToyImages:
    """Tokens that depend on the batch in their last bits, as a real encoder's do."""

    name, dim, grid, device = "toy", 4, (1, 2), "cpu"
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


class LetterTexts(ToyTexts):
    """Tokens that depend on the letters, and in their last bits on the batch."""

    signature = {"name": "letters"}  # noqa: RUF012

    def encode(self, ids: list[list[int]]) -> Tokens:
        found = super().encode(ids)
        values = torch.zeros(found.mask.shape)
        for place, row in enumerate(ids):
            values[place, : len(row)] = torch.tensor(row) + sum(map(sum, ids)) / 1000
        return Tokens(values[..., None] * torch.ones(3), found.mask)


def letters(count: int) -> dict[str, str]:
    return {f"{n * 7919 % 10_007:032x}": chr(65 + n % 60) * (1 + n % 5) for n in range(count)}


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
    assert (first.encoded, first.num_stored, encoder.calls) == (10, 0, 3)
    again = encode_pictures(TokenStore(tmp_path, encoder.signature, 4), encoder, items, 4, Silent())
    assert (again.encoded, again.num_stored, encoder.calls) == (0, 10, 3)


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


CHILDREN = """
import os, random, signal, sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.workflows.encode.test_encode import LetterTexts, ToyImages, letters, openers
from interfuse.core.progress import Silent
from interfuse.store import TokenStore, writer
from interfuse.settings import Portion
from interfuse.workflows.encode.encode import encode_pictures, encode_texts
writer.SHARD_BYTES = 64
class Slow(ToyImages):
    def encode(self, pictures):
        time.sleep(0.01)
        return super().encode(pictures)
class SlowTexts(LetterTexts):
    def encode(self, ids):
        time.sleep(0.01)
        return super().encode(ids)
def start(root, portion=(1, 1)):
    child = os.fork()  # this process has imported all and started no thread
    if child:
        return child
    try:
        if {kind!r} == "texts":
            store = TokenStore(Path(root), LetterTexts.signature, 3)
            encode_texts(store, SlowTexts(), letters(120), 4, Silent(), Portion(*portion))
        else:
            store = TokenStore(Path(root), ToyImages.signature, 4)
            encode_pictures(store, Slow(), openers(120), 4, Silent(), Portion(*portion))
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
"""
KILL_MANY = """
draw, killed, rounds = random.Random(0), 0, 0
while killed < 24 and rounds < 30:
    tries = 0
    while True:
        child = start({root!r} + str(rounds))
        if killed < 24:  # on a busy machine the moments come later and later, so that a child gets on
            time.sleep(draw.uniform(0.002, 0.1) * (1 + tries / 4))
            os.kill(child, signal.SIGKILL)
        tries += 1
        if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            break
        killed += 1
    rounds += 1
print(killed, rounds)
"""
RUN_TWO = """
both = [start({root!r}), start({root!r})]
print(*[os.waitpid(child, 0)[1] for child in both])
"""
RUN_THIRDS = """
for number in (2, 3, 1):
    print(os.waitpid(start({root!r}, (number, 3)), 0)[1])
"""


def run_children(script: str, root, request, kind: str = "pictures") -> list[int]:
    code = (CHILDREN + script).format(tests=str(request.config.rootpath), root=str(root), kind=kind)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def copies(store: TokenStore, width: int = 4) -> int:
    """Count the items in all shards, several copies of one included."""
    return sum(len(read_items(path, width, torch.bfloat16)["keys"]) for path in store.folder.glob("*.safetensors"))


@pytest.fixture
def undisturbed(tmp_path):
    store = TokenStore(tmp_path / "whole", ToyImages.signature, 4)
    encode_pictures(store, ToyImages(), openers(120), 4, Silent())
    return store.table(list(openers(120))).gather(torch.arange(120)).tokens


def test_killed_at_random_moments_it_finishes_with_the_same_bytes(tmp_path, request, undisturbed):
    killed, rounds = run_children(KILL_MANY, tmp_path / "killed", request)
    assert killed >= 20
    for number in range(rounds):
        store = TokenStore(tmp_path / f"killed{number}", ToyImages.signature, 4)
        encode_pictures(store, ToyImages(), openers(120), 4, Silent())
        assert store.warnings == []
        assert store.table(list(openers(120))).gather(torch.arange(120)).tokens.equal(undisturbed)
        assert copies(store) == 120


def test_texts_killed_at_random_moments_finish_with_the_same_bytes(tmp_path, request):
    items, every = letters(120), torch.arange(120)
    whole = TokenStore(tmp_path / "whole", LetterTexts.signature, 3)
    encode_texts(whole, LetterTexts(), items, 4, Silent())
    wanted = whole.table(list(items)).gather(every)
    killed, rounds = run_children(KILL_MANY, tmp_path / "killed", request, "texts")
    assert killed >= 20
    for number in range(rounds):
        store = TokenStore(tmp_path / f"killed{number}", LetterTexts.signature, 3)
        encode_texts(store, LetterTexts(), items, 4, Silent())
        found = store.table(list(items)).gather(every)
        assert found.tokens.equal(wanted.tokens)
        assert found.mask.equal(wanted.mask)
        assert copies(store, 3) == 120


def test_two_processes_that_encode_the_same_pictures_at_once_end_with_one_copy_of_the_same_bytes(
    tmp_path, request, undisturbed
):
    assert run_children(RUN_TWO, tmp_path / "shared", request) == [0, 0]
    store = TokenStore(tmp_path / "shared", ToyImages.signature, 4)
    assert store.missing(openers(120)) == []
    assert store.table(list(openers(120))).gather(torch.arange(120)).tokens.equal(undisturbed)
    assert copies(store) == 120
    assert not list((store.folder / "claims").iterdir())


def test_portions_that_ran_apart_have_together_the_bytes_of_one_run(tmp_path, request, undisturbed):
    assert run_children(RUN_THIRDS, tmp_path / "parts", request) == [0, 0, 0]
    store = TokenStore(tmp_path / "parts", ToyImages.signature, 4)
    assert store.missing(openers(120)) == []
    assert store.table(list(openers(120))).gather(torch.arange(120)).tokens.equal(undisturbed)
    assert copies(store) == 120


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/2", "1/2/3", "-1/2"])
def test_a_portion_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match=f"shard=… is i/n with i from 1 to n, as 2/8; got '{text}'"):
        Portion.parse(text)


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


def watched(items, opened):
    """The same openers; `opened` gets the key of each picture that is opened."""
    return {key: (lambda key=key, opener=opener: opened.append(key) or opener()) for key, opener in items.items()}


def test_a_rerun_opens_only_the_picture_that_failed(tmp_path):
    items, opened = openers(10, bad=(3,)), []
    store = TokenStore(tmp_path, ToyImages.signature, 4)
    first = encode_pictures(store, ToyImages(), items, 4, Silent())
    encode_pictures(store, ToyImages(), watched(items, opened), 4, Silent())
    assert opened == list(first.failures)


def test_a_picture_whose_file_is_gone_is_no_failure_when_its_tokens_are_there(tmp_path):
    items = openers(8)
    keys = sorted(items)
    store = TokenStore(tmp_path, ToyImages.signature, 4)
    encode_pictures(store, ToyImages(), {key: items[key] for key in keys[:3]}, 4, Silent())

    def gone() -> Image.Image:
        raise FileNotFoundError("gone")

    report = encode_pictures(store, ToyImages(), {**items, keys[0]: gone}, 4, Silent())
    assert (report.encoded, report.num_stored, dict(report.failures)) == (5, 3, {})


def test_a_flipped_byte_is_found_and_encoded_again_to_the_same_bytes(tmp_path):
    items = openers(10)
    store = TokenStore(tmp_path, ToyImages.signature, 4)
    encode_pictures(store, ToyImages(), items, 4, Silent())
    every = torch.arange(10)
    before = store.table(list(items)).gather(every).tokens
    (shard,) = store.folder.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-10 * 16 - 1] ^= 1  # the keys stand last, the tokens before them
    shard.unlink()
    shard.write_bytes(content)
    again = TokenStore(tmp_path, ToyImages.signature, 4)
    report = encode_pictures(again, ToyImages(), items, 4, Silent())
    assert (report.encoded, len(again.warnings)) == (1, 1)
    assert again.table(list(items)).gather(every).tokens.equal(before)


def test_interrupted_texts_end_with_the_bytes_of_an_undisturbed_run(tmp_path):
    items = {f"{n:032x}": "x" * (1 + n % 5) for n in range(11)}
    whole, broken = (TokenStore(tmp_path / name, ToyTexts.signature, 3) for name in ("whole", "broken"))
    encode_texts(whole, ToyTexts(), items, 4, Silent())
    with broken.writer() as writer:  # one item of each batch was saved
        for key in list(items)[::4]:
            place = list(items).index(key)
            found = whole.table(list(items)).gather(torch.tensor([place]))
            writer.add(key, found.tokens[0][found.mask[0]])
    report = encode_texts(broken, ToyTexts(), items, 4, Silent())
    assert (report.encoded, report.num_stored) == (8, 3)
    one, two = (s.table(list(items)).gather(torch.arange(11)) for s in (whole, broken))
    assert one.tokens.equal(two.tokens)


def test_the_next_pictures_are_decoded_while_the_encoder_works_but_not_all_of_them(tmp_path):
    opened: list[str] = []
    ahead = threading.Event()
    most = 2 * (1 + AHEAD + 1 + min(MOST, torch.get_num_threads()))

    class Waits(ToyImages):
        def encode(self, pictures: torch.Tensor) -> torch.Tensor:
            if not self.calls:
                deadline = time.monotonic() + PATIENCE_S
                while len(opened) < 6 and time.monotonic() < deadline:
                    time.sleep(0.01)
                if len(opened) >= 6:
                    ahead.set()
                time.sleep(0.05)
                assert len(opened) <= most
            return super().encode(pictures)

    store = TokenStore(tmp_path, ToyImages.signature, 4)
    encode_pictures(store, Waits(), watched(openers(40), opened), 2, Silent())
    assert ahead.is_set()


def test_progress_counts_each_missing_item_once(tmp_path):
    told: list[tuple[object, ...]] = []

    class Tells(Silent):
        def start(self, stage: str, total: int, unit: str) -> None:
            told.append(("start", total, unit))

        def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
            told.append(("advance", amount))

    store = TokenStore(tmp_path, ToyImages.signature, 4)
    items = openers(10, bad=(3,))
    encode_pictures(store, ToyImages(), dict(list(items.items())[:2]), 4, Silent())
    encode_pictures(store, ToyImages(), items, 4, Tells())
    assert told[0] == ("start", 8, "pictures")
    assert sum(amount for what, amount, *_ in told[1:] if what == "advance") == 8


class Nan(ToyImages):
    """Makes NaN of the picture that is `bad`, or of all."""

    bad: int | None = 3

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        tokens = super().encode(pictures)
        sick = torch.tensor([self.bad is None or float(p[0, 0, 0]) == self.bad for p in pictures])
        return tokens.masked_fill(sick.view(-1, 1, 1), float("nan"))


def test_a_picture_of_which_the_encoder_makes_nan_is_a_failure_of_its_own(tmp_path):
    items = openers(10)
    store = TokenStore(tmp_path, ToyImages.signature, 4)
    report = encode_pictures(store, Nan(), items, 4, Silent())
    (key,) = store.missing(items)
    assert dict(report.failures) == {key: "the encoder makes NaN or infinity of the picture"}
    assert report.encoded == 9
    assert list(items).index(key) == 3


def test_an_encoder_that_makes_nan_of_all_is_refused(tmp_path):
    everything = Nan()
    everything.bad = None
    with pytest.raises(StoreError, match="the encoder gave NaN or infinity. Use another precision for the encoder"):
        encode_pictures(TokenStore(tmp_path, ToyImages.signature, 4), everything, openers(10), 4, Silent())


class NanTexts(ToyTexts):
    """Makes NaN of texts of two letters; what is under the mask is NaN everywhere."""

    def encode(self, ids: list[list[int]]) -> Tokens:
        tokens, mask = super().encode(ids)
        bad = ~mask | (mask.sum(1) == 2).unsqueeze(1)
        return Tokens(tokens.masked_fill(bad.unsqueeze(-1), float("nan")), mask)


def test_a_text_of_which_the_encoder_makes_nan_is_a_failure_of_its_own(tmp_path):
    items = {f"{n:032x}": text for n, text in enumerate(["a", "bb", "ccc", "dddd"])}
    store = TokenStore(tmp_path, ToyTexts.signature, 3)
    report = encode_texts(store, NanTexts(), items, 2, Silent())
    (key,) = store.missing(items)
    assert items[key] == "bb"
    assert dict(report.failures) == {key: "the encoder makes NaN or infinity of the text"}
    assert report.encoded == 3


def test_an_encoder_that_makes_nan_of_all_texts_is_refused(tmp_path):
    items = {f"{n:032x}": text for n, text in enumerate(["aa", "bb"])}
    with pytest.raises(StoreError, match="the encoder gave NaN or infinity. Use another precision for the encoder"):
        encode_texts(TokenStore(tmp_path, ToyTexts.signature, 3), NanTexts(), items, 2, Silent())
