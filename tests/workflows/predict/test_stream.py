"""Prediction part by part: the whole's answers in the rows' order, the same bytes after any kill, bounded memory."""

import csv
import functools
import os
import random
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageColor
from polars.testing import assert_frame_equal

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError, ExtraMissingError
from interfuse.core.files import read_json, write_json
from interfuse.core.progress import Silent
from interfuse.core.tokens import Tokens
from interfuse.data import SourceSettings
from interfuse.encoders.efficientnet import EfficientNetLite
from interfuse.encoders.text import HubTextEncoder
from interfuse.training import load_run
from interfuse.workflows import (
    EncoderSettings,
    Portion,
    Source,
    StreamSettings,
    diagnose,
    evaluate,
    predict,
    predict_stream,
    train_run,
)
from interfuse.workflows.encode.stream import Towers
from interfuse.workflows.predict.on_ray import PredictTask, _predict_portion, predict_on_workers
from interfuse.workflows.predict.output_parts import Parts
from interfuse.workflows.predict.predict import source_of
from interfuse.workflows.predict.stream import _Work
from interfuse.workflows.ray_cluster import run_on_ray
from tests.patience import PATIENCE_S
from tests.shape_checks import unchecked
from tests.workflows.forked import start_server

COLOURS = ("red", "blue", "green", "white")
BROKEN, LOST, EMPTY = 43, 7, 100
"""Rows whose picture breaks when it is decoded, whose file is not there, and that have neither modality."""


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture(scope="module")
def shop(make_shop):
    """120 rows of 40 pictures; some rows lack one modality, three are in trouble, ids repeat."""
    draw, rows = np.random.default_rng(0), []

    def paint(number):
        noise = draw.integers(0, 60, (48, 48, 3)) + np.array(ImageColor.getrgb(COLOURS[number % 4])) // 2
        return (Image.fromarray(noise.astype(np.uint8)),)

    folder, _ = make_shop(40, paint, ("photo",))
    for row in range(120):
        picture, text = f"{row % 40}.png", f"{row % 50} cups in {COLOURS[row % 4]}"
        rows.append(
            [
                picture if row % 9 else None,
                text if row % 7 or not row % 9 else None,
                COLOURS[row % 4],
                f"item {row % 110}",
            ]
        )
    whole = (folder / "1.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    rows[BROKEN][0], rows[LOST][0], rows[EMPTY][:2] = "broken.png", "lost.png", [None, None]
    rows[BROKEN][1] = rows[LOST][1] = "a cup"
    frame = pl.DataFrame(rows, schema=["photo", "caption", "colour", "name"], orient="row")
    frame.drop("name").write_csv(folder / "shop.csv")
    frame.drop("colour").write_parquet(folder / "new.parquet", row_group_size=25)
    frame.drop("colour").write_csv(folder / "new.csv")
    frame.drop("colour").write_ndjson(folder / "new.jsonl")
    return folder


@pytest.fixture(scope="module")
def trained(shop, tmp_path_factory):
    home = tmp_path_factory.mktemp("trained")
    read = SourceSettings(image="photo", text="caption", label="colour", image_folder=str(shop))
    given = Source(str(shop / "shop.csv"), read, EncoderSettings(image_size=64, store=home / "store"))
    design = Design("cross_attention", dim=16, num_heads=2, epochs=1, modality_dropout=0.1, **given.encoder_settings())
    train_run(given, home / "run", design)
    return home


@pytest.fixture(scope="module")
def trained_concat(trained, shop):
    """A run whose answers cost little, from the same tokens."""
    read = SourceSettings(image="photo", text="caption", label="colour", image_folder=str(shop))
    given = Source(str(shop / "shop.csv"), read, EncoderSettings(image_size=64, store=trained / "store"))
    train_run(given, trained / "concat", Design("concat", dim=8, epochs=1, **given.encoder_settings()))
    return trained / "concat"


def source(data, store, **encode):
    return Source(str(data), SourceSettings(id="name"), EncoderSettings(store=store, encoding_batch=8, **encode))


@functools.cache
def whole_of(trained, shop):
    frame = pl.read_parquet(shop / "new.parquet").with_columns(pl.Series("name", map(str, range(120))))
    read = SourceSettings(image_folder=str(shop), id="name")
    return predict(load_run(trained / "run"), Source(frame, read, EncoderSettings(store=trained / "store")))


def stream(trained, shop, out, store="store", data="new.parquet", progress=None, **settings):
    run = load_run(trained / "run")
    given = StreamSettings(**{"rows_per_part": 25, **settings})
    return predict_stream(run, source(shop / data, trained / store), out, given, progress)


@pytest.mark.parametrize("data", ["new.parquet", "new.csv", "new.jsonl"])
def test_rows_in_order_and_ids_and_probabilities_of_the_whole(trained, shop, tmp_path, data):
    expected = whole_of(trained, shop)
    done = stream(trained, shop, tmp_path / "out.parquet", data=data)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert (done.predicted, done.num_done, done.joined.rows) == (5, 0, 119)
    assert found["row"].to_list() == expected.rows == [row for row in range(120) if row != EMPTY]
    assert found["id"].to_list() == [f"item {row % 110}" for row in expected.rows]
    probs = found.select(pl.col("^prob_.*$")).to_numpy()
    assert np.abs(probs - expected.probs).max() < 1e-6  # the tokens are the store's in both
    assert found["label"].to_list() == expected.frame()["label"].to_list()
    assert not (tmp_path / "out.parquet.parts").exists()


def test_tokens_that_are_not_kept_give_the_probabilities_to_rounding(trained, shop, tmp_path):
    expected = whole_of(trained, shop)
    stream(trained, shop, tmp_path / "out.parquet", store="another", keep_tokens=False)
    probs = pl.read_parquet(tmp_path / "out.parquet").select(pl.col("^prob_.*$")).to_numpy()
    assert np.abs(probs - expected.probs).max() < 2e-2  # bfloat16 encoders, other batches
    assert not list((trained / "another").glob("*/*.safetensors"))


def test_batches_side_by_side_give_each_row_the_tokens_of_one_after_another(trained, shop, tmp_path):
    run, before = load_run(trained / "run"), torch.get_num_threads()
    given = source_of(run, source(shop / "new.parquet", tmp_path / "store"))
    found = {}
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            work = _Work(run, given, StreamSettings(50, keep_tokens=False), Silent())
            found[threads] = list(work.parts([0, 1, 2]))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(found[1], found[2], strict=True):
        assert (one.number, one.features.ids) == (two.number, two.features.ids)
        for modality in ("image", "text"):
            a, b = (getattr(rows.features, modality) for rows in (one, two))
            items = [getattr(rows.features, f"{modality}_items") for rows in (one, two)]
            (tokens, mask), (others, other_mask) = a.gather(items[0]), b.gather(items[1])
            assert mask.equal(other_mask)
            assert (tokens - others).abs().max() < 0.01 * tokens.abs().max()  # bfloat16


def test_tokens_are_kept_where_asked_and_by_themselves_where_all_rows_are_one_part(trained, shop, tmp_path):
    stream(trained, shop, tmp_path / "a.csv", store="kept", keep_tokens=True)
    stream(trained, shop, tmp_path / "b.csv", store="small", rows_per_part=500)
    for name in ("kept", "small"):
        assert len(list((trained / name).glob("*/*.safetensors"))) >= 2
    again = Listener()
    stream(trained, shop, tmp_path / "c.csv", store="kept", progress=again)
    first, second = (pl.read_csv(tmp_path / name) for name in ("a.csv", "c.csv"))
    assert_frame_equal(first, second, check_exact=False, abs_tol=1e-5)  # the same tokens in other batches


def test_each_distinct_picture_and_text_of_a_part_is_encoded_once(trained, shop, tmp_path, monkeypatch):
    counts = {"pictures": 0, "texts": 0}
    made = Towers.__init__

    def counting(self, *given):
        made(self, *given)
        see, read = self.image.tower.encoder.encode, self.text.tower.encoder.encode

        def encode(pictures):
            counts["pictures"] += len(pictures)
            return see(pictures)

        def encode_texts(ids):
            counts["texts"] += len(ids)
            return read(ids)

        self.image.tower.encoder.encode, self.text.tower.encoder.encode = encode, encode_texts

    monkeypatch.setattr(Towers, "__init__", counting)
    stream(trained, shop, tmp_path / "out.csv", store="never", rows_per_part=120, keep_tokens=False)
    frame = pl.read_parquet(shop / "new.parquet")
    assert counts["pictures"] == 40
    assert counts["texts"] == frame["caption"].drop_nulls().n_unique()


def test_every_row_in_trouble_is_listed_under_its_number_in_the_source(trained, shop, tmp_path):
    listener = Listener()
    stream(trained, shop, tmp_path / "out.csv", rows_per_part=10, progress=listener)
    with (tmp_path / "out.csv.quarantine.csv").open(newline="") as handle:
        listed = list(csv.DictReader(handle))
    assert [(int(row["row"]), row["what"]) for row in listed] == [(LOST, "image"), (BROKEN, "image"), (EMPTY, "row")]
    assert [row["id"] for row in listed] == [f"item {row}" for row in (LOST, BROKEN, EMPTY)]
    assert "truncated" in listed[1]["reason"]
    assert listed[2]["consequence"] == "the row is left out"
    assert any(f"Row {BROKEN} (item {BROKEN})" in said for said in listener.said)
    assert any("3 rows in trouble are listed in" in said for said in listener.said)


SICK = "the encoder makes NaN or infinity of the"
LONG = "nine cups " * 9


@pytest.fixture
def sick(shop, tmp_path, monkeypatch):
    """Rows of which the encoders make NaN: of black pictures, and of the texts that are long."""
    see, read = EfficientNetLite.encode, HubTextEncoder.encode

    def encode(self, pictures):
        return see(self, pictures).masked_fill((pictures.flatten(1).amax(1) == -1)[:, None, None], float("nan"))

    def encode_texts(self, ids):
        tokens, mask = read(self, ids)
        return Tokens(tokens.masked_fill((mask.sum(1) > 15)[:, None, None], float("nan")), mask)

    monkeypatch.setattr(EfficientNetLite, "encode", encode)
    monkeypatch.setattr(HubTextEncoder, "encode", encode_texts)
    Image.new("RGB", (48, 48)).save(shop / "black.png")
    frame = pl.read_parquet(shop / "new.parquet")[:40]
    rows = pl.DataFrame(
        [("black.png", "a cup"), ("1.png", LONG), ("black.png", None), (None, LONG), ("black.png", LONG)],
        schema=["photo", "caption"],
        orient="row",
    ).with_columns(pl.Series("name", [f"item {row}" for row in range(40, 45)]))
    frame.vstack(rows.select(frame.columns)).write_parquet(tmp_path / "sick.parquet")
    return tmp_path / "sick.parquet"


def given_sick(data, shop, store, **read):
    return Source(data, SourceSettings(image_folder=str(shop), id="name", **read), EncoderSettings(store=store))


@pytest.mark.parametrize("keep", [False, True])
def test_what_the_encoder_makes_nan_of_is_missing_in_parts_as_in_the_whole(sick, trained, shop, tmp_path, keep):
    run, whole = load_run(trained / "run"), Listener()
    settings = StreamSettings(30, keep_tokens=keep)
    predict_stream(run, given_sick(sick, shop, tmp_path / "store"), tmp_path / "out.csv", settings)
    with (tmp_path / "out.csv.quarantine.csv").open(newline="") as handle:
        listed = [row for row in csv.DictReader(handle) if SICK in row["reason"]]
    seen, read = f"{SICK} picture: {shop / 'black.png'}", f"{SICK} text: nine cups"
    missing, gone = "the {} is treated as missing", "the row is left out"
    wanted = [
        (40, "image", seen, missing.format("image")),
        (42, "image", seen, gone),
        (44, "image", seen, missing.format("image")),
        (41, "text", read, missing.format("text")),
        (43, "text", read, gone),
        (44, "text", read, gone),
    ]
    assert len(listed) == len(wanted)
    for row, (number, what, reason, consequence) in zip(listed, wanted, strict=True):
        assert (int(row["row"]), row["what"], row["consequence"]) == (number, what, consequence)
        assert row["reason"].startswith(reason)
    expected = predict(run, given_sick(pl.read_parquet(sick), shop, tmp_path / "another"), whole)
    assert pl.read_csv(tmp_path / "out.csv")["row"].to_list() == expected.rows == list(range(42))
    assert sum(SICK in line for line in whole.said) == len(wanted)


@pytest.mark.parametrize(
    ("photo", "caption", "reason", "consequence"),
    [
        ("broken.png", "a cup", "truncated", "the image is treated as missing"),
        ("black.png", "a cup", f"{SICK} picture", "the image is treated as missing"),
        ("2.png", LONG, f"{SICK} text", "the text is treated as missing"),
    ],
)
def test_strict_stops_at_what_only_decoding_or_encoding_finds(
    sick, trained, shop, tmp_path, photo, caption, reason, consequence
):
    frame = pl.DataFrame({"photo": ["1.png", photo], "caption": ["two cups", caption], "name": ["a", "b"]})
    frame.write_parquet(tmp_path / "rows.parquet")
    run, given = load_run(trained / "run"), given_sick(tmp_path / "rows.parquet", shop, tmp_path / "store", strict=True)
    told = rf"^Row 1 \(b\): .*{reason}.*\. With strict=False {consequence}\.$"
    with pytest.raises(DataError, match=told) as parts:
        predict_stream(run, given, tmp_path / "out.csv", StreamSettings(keep_tokens=False))
    with pytest.raises(DataError, match=told) as whole:
        predict(run, replace(given, data=frame))
    assert str(parts.value) == str(whole.value)


def test_a_csv_is_what_the_whole_would_write(trained, shop, tmp_path):
    stream(trained, shop, tmp_path / "out.csv", rows_per_part=7)
    stream(trained, shop, tmp_path / "out.parquet", rows_per_part=7)
    pl.read_parquet(tmp_path / "out.parquet").write_csv(tmp_path / "same.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "same.csv").read_bytes()


def test_shards_write_their_parts_and_the_last_one_joins(trained, shop, tmp_path):
    stream(trained, shop, tmp_path / "whole.parquet", rows_per_part=9)
    first = stream(trained, shop, tmp_path / "out.parquet", rows_per_part=9, portion=Portion(1, 2))
    assert (first.predicted, first.joined) == (7, None)
    assert not (tmp_path / "out.parquet").exists()
    last = stream(trained, shop, tmp_path / "out.parquet", rows_per_part=9, portion=Portion(2, 2))
    assert (last.predicted, last.joined.rows) == (7, 119)
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_the_parts_of_another_prediction_are_refused(trained, shop, tmp_path):
    out = tmp_path / "out.parquet"
    stream(trained, shop, out, portion=Portion(1, 2))
    with pytest.raises(DataError, match="finished parts of another prediction: rows_per_part is 25 there, 30 here"):
        stream(trained, shop, out, rows_per_part=30)
    with pytest.raises(DataError, match=r"another prediction: data is .*; columns|another prediction: data is"):
        stream(trained, shop, out, data="new.csv")
    other = shutil.copytree(trained / "run", tmp_path / "other")
    write_json(other / "run.json", {**read_json(other / "run.json"), "seed": 17})
    with pytest.raises(DataError, match="another prediction: run is"):
        predict_stream(load_run(other), source(shop / "new.parquet", trained / "store"), out, StreamSettings(25))
    assert stream(trained, shop, out).num_done == 3


def test_a_prediction_killed_while_it_tidies_up_is_done(trained, shop, tmp_path):
    out = tmp_path / "out.parquet"
    stream(trained, shop, out, portion=Portion(1, 2))
    shutil.copytree(tmp_path / "out.parquet.parts", tmp_path / "kept")
    done = stream(trained, shop, out)
    written = out.read_bytes()
    card = read_json(tmp_path / "kept" / "manifest.json")
    joined = {"rows": 119, "missing": dict(done.joined.missing), "troubles": 3}
    write_json(tmp_path / "kept" / "manifest.json", {**card, "joined": joined})
    shutil.copytree(tmp_path / "kept", tmp_path / "out.parquet.parts")
    again = stream(trained, shop, out)
    assert (again.predicted, again.joined) == (0, done.joined)
    assert out.read_bytes() == written
    assert not (tmp_path / "out.parquet.parts").exists()
    shutil.copytree(tmp_path / "kept", tmp_path / "out.parquet.parts")
    out.unlink()
    assert stream(trained, shop, out).predicted == 5
    assert out.read_bytes() == written


def test_a_wrong_folder_is_found_in_the_first_part(trained, shop, tmp_path):
    run, read = load_run(trained / "run"), SourceSettings(image_folder=str(tmp_path))
    given = Source(str(shop / "new.parquet"), read, EncoderSettings(store=trained / "store"))
    with pytest.raises(
        DataError, match=r"No picture of column 'photo' in the first 25 rows .* Is image_folder=… right"
    ):
        predict_stream(run, given, tmp_path / "out.csv", StreamSettings(25))


def test_another_ending_is_refused_before_any_work(trained, shop, tmp_path):
    with pytest.raises(DataError, match=r"end in .csv or .parquet, got 'out.txt'"):
        stream(trained, shop, tmp_path / "out.txt")


def test_a_folder_is_read_whole_and_predicted_in_parts(trained, shop, tmp_path):
    folder = tmp_path / "pictures" / "red"
    folder.mkdir(parents=True)
    for number in range(7):
        shutil.copy(shop / f"{number}.png", folder)
    read = SourceSettings(image="image", text="none")
    given = Source(f"folder:{tmp_path / 'pictures'}", read, EncoderSettings(store=trained / "store"))
    done = predict_stream(load_run(trained / "run"), given, tmp_path / "out.csv", StreamSettings(3))
    assert (done.predicted, done.joined.rows, done.joined.missing) == (3, 7, {"image": 0, "text": 7})


@pytest.fixture(scope="module")
def start():
    return start_server()


@pytest.mark.parametrize(("keep", "ending", "kills"), [("--no-keep-tokens", "parquet", 5), ("--keep-tokens", "csv", 3)])
def test_killed_at_random_moments_it_ends_with_the_bytes_of_an_undisturbed_one(
    start, trained, shop, tmp_path, keep, ending, kills
):
    def command(name):
        out, store = tmp_path / f"{name}.{ending}", tmp_path / f"store of {name}"
        words = ["predict", trained / "run", shop / "new.parquet", "--id", "name", "--rows-per-part", "3", keep]
        return [str(word) for word in (*words, "--out", out, "--store", store)]

    process = start(*command("whole"))
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    draw, resumed = random.Random(0), 0
    parts, out = tmp_path / f"cut.{ending}.parts", tmp_path / f"cut.{ending}"

    def there() -> int:
        return len(list(parts.glob("part-*.parquet")))

    for wanted in [0, *sorted(draw.sample(range(1, 25), kills))]:  # of 40 parts: many are left when it is killed
        resumed += there() > 0
        process = start(*command("cut"))
        while process.is_alive() and there() < wanted:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.01))
        assert process.is_alive()
        process.kill()
        process.join()
        assert not out.exists()
    assert resumed == kills - 1
    process = start(*command("cut"))
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    assert out.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    listed = [tmp_path / f"{name}.{ending}.quarantine.csv" for name in ("cut", "whole")]
    assert listed[0].read_bytes() == listed[1].read_bytes()
    assert not [path for path in tmp_path.iterdir() if "parts" in path.name or path.name.startswith(".")]


class Gauge(Silent):
    """Reads the process's own memory, without mapped files, after every part."""

    def __init__(self) -> None:
        self.most = 0.0

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        status = Path("/proc/self/status").read_text()
        self.most = max(self.most, int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024)


def write_long_names(path, count):
    """Write rows with names of 16,000 characters, 250 at a time, so that the test itself holds few of them."""
    with path.open("wb") as stream:
        writer = None
        for start in range(0, count, 250):
            rows = range(start, start + 250)
            part = pa.table(
                {
                    "photo": [f"{row % 40}.png" for row in rows],
                    "caption": [f"{row % 50} cups" for row in rows],
                    "name": [f"{row:016000d}" for row in rows],
                }
            )
            kind = pq.ParquetWriter if path.suffix == ".parquet" else pyarrow.csv.CSVWriter
            writer = writer or kind(stream, part.schema)
            writer.write_table(part)
        writer.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_rows(trained_concat, trained, shop, tmp_path, ending):
    most = {}
    for count in (1_000, 1_000, 10_000):
        path = tmp_path / f"{count}.{ending}"
        write_long_names(path, count)  # 160 MB of names in all
        gauge, read = Gauge(), SourceSettings(id="name", image_folder=str(shop))
        given = Source(path, read, EncoderSettings(store=trained / "store"))
        settings = StreamSettings(100, keep_tokens=True)
        with unchecked():
            done = predict_stream(load_run(trained_concat), given, tmp_path / f"out.{ending}", settings, gauge)
        assert done.joined.rows == count
        most[count] = gauge.most
    assert most[10_000] - most[1_000] < 100, most  # Arrow keeps 15 to 70 MB, however many rows there are


def test_another_launcher_is_refused(tmp_path):
    task = PredictTask(tmp_path, Source("rows.csv"), tmp_path / "out.csv", StreamSettings())
    with pytest.raises(ConfigError, match="Unknown launcher 'dask'. Known: ray"):
        predict_on_workers(task, Silent(), "dask", 2)


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    task = PredictTask(tmp_path, Source("rows.csv"), tmp_path / "out.csv", StreamSettings())
    with pytest.raises(ExtraMissingError, match=r"pip install 'interfuse\[ray\]'"):
        predict_on_workers(task, Silent(), "ray", 2)


def _dies(task: PredictTask, portion: Portion) -> None:
    """Predict a portion; the second worker dies in the middle, once."""
    marker, write = task.out.with_name("died"), Parts.write

    def dying(self, number, *rest):
        if portion.number == 2 and number >= 7 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, number, *rest)

    Parts.write = dying
    _predict_portion(task, portion)


@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_ray_that_is_killed_in_the_middle_loses_nothing(ray_cluster, trained, shop, tmp_path):
    given = source(shop / "new.parquet", trained / "store")
    task = PredictTask(trained / "run", given, tmp_path / "out.csv", StreamSettings(9))
    run_on_ray(_dies, [(task, Portion(number, 2)) for number in (1, 2)], lambda: None)
    assert (tmp_path / "died").exists()
    done = predict_stream(load_run(task.run), task.source, task.out, task.settings)
    assert (done.predicted, done.num_done, done.joined.rows) == (0, 14, 119)
    assert pl.read_csv(tmp_path / "out.csv")["row"].to_list() == [row for row in range(120) if row != EMPTY]


@pytest.mark.filterwarnings("ignore")
def test_workers_of_ray_write_the_bytes_of_one_process(ray_cluster, trained, shop, tmp_path):
    settings, here = StreamSettings(9), source(shop / "new.parquet", trained / "store")
    predict_stream(load_run(trained / "run"), here, tmp_path / "here.parquet", settings)
    done = predict_on_workers(
        PredictTask(trained / "run", here, tmp_path / "there.parquet", settings), Silent(), "ray", 2
    )
    assert (done.predicted, done.num_done, done.joined.rows) == (0, 14, 119)
    one, two = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("here", "there"))
    assert one.drop("^prob_.*$").equals(two.drop("^prob_.*$"))
    assert np.abs((one.select("^prob_.*$") - two.select("^prob_.*$")).to_numpy()).max() < 1e-6


def test_a_known_answer_task_is_predicted_in_parts(tmp_path):
    given = Source("known:xor")
    run = train_run(given, tmp_path / "run", Design("product", dim=16, epochs=1, **given.encoder_settings()))
    done = predict_stream(run, given, tmp_path / "out.parquet", StreamSettings(3000))
    expected = predict(run, given)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert done.joined.rows == len(expected.rows)
    assert found["row"].to_list() == expected.rows
    assert np.abs(found.select("^prob_.*$").to_numpy() - expected.probs).max() < 1e-6


def test_a_run_takes_no_other_known_answer_task_than_its_own(trained, shop, tmp_path):
    run, other = load_run(trained / "run"), Source("known:binding")
    with pytest.raises(ConfigError, match="The run was trained on rows seen by efficientnet-lite0 and minilm, and the"):
        predict(run, other)
    words = other.encoder_settings()
    run = train_run(other, tmp_path / "run", Design("product", dim=8, epochs=1, batch_size=500, **words))
    assert predict(run, other).probs.shape == (11_000, 4)
    for name in ("known:xor", "known:additive"):  # of other classes, and of as many
        given, told = Source(name), rf"was trained for known:binding \(classes 0, 1, 2, 3\), got {name}"
        for use in (predict, diagnose, lambda *words: evaluate(*words, "all")):
            with pytest.raises(ConfigError, match=told):
                use(run, given)
        with pytest.raises(ConfigError, match=told):
            predict_stream(run, given, tmp_path / "out.csv")
    with pytest.raises(
        ConfigError, match="trained for known:binding, whose tokens no encoder makes, got .*new.parquet"
    ):
        predict(run, source(shop / "new.parquet", trained / "store"))
    older = {name: value for name, value in run.info.items() if name != "known"}
    with pytest.raises(ConfigError, match="trained for another known-answer task .*, got known:xor"):
        predict(replace(run, info=older), Source("known:xor"))
    assert predict(replace(run, info=older), other).task == "multiclass"


def test_tokens_of_another_encoder_are_refused(trained, shop, tmp_path):
    run = load_run(trained / "run")
    run.info["encoders"]["image"] = {**run.info["encoders"]["image"], "weights": "others"}
    with pytest.raises(DataError, match="The run was trained on image tokens of"):
        predict_stream(run, source(shop / "new.parquet", trained / "store"), tmp_path / "out.csv")
