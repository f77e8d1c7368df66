"""Smaller tokens end to end: fitted on train rows alone, found again, the same answers in training and prediction."""

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image, ImageColor

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError, ExportError
from interfuse.core.files import read_json
from interfuse.core.progress import Silent
from interfuse.core.records import read_table
from interfuse.data import SourceSettings
from interfuse.store import TokenStore
from interfuse.training import load_run
from interfuse.training.run import PROJECTION
from interfuse.workflows import EncoderSettings, Source, predict, prepare, train_run
from interfuse.workflows.export.export import export_run
from tests.shape_checks import unchecked

COLOURS = ("red", "blue", "green", "white")


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture(scope="module")
def shop(make_shop):
    """Coloured noise and a caption; the split stands in a column."""
    draw = np.random.default_rng(0)

    def row(number):
        colour = COLOURS[number % 4]
        base = np.zeros((64, 64, 3)) + ImageColor.getrgb(colour)
        noisy = np.clip(base + draw.normal(0, 40, base.shape), 0, 255).astype(np.uint8)
        part = "train" if number < 40 else "validation" if number < 50 else "test"
        return Image.fromarray(noisy), f"{number} cups in {colour}", colour, part

    folder, table = make_shop(60, row, ("photo", "caption", "colour", "part"))
    table.write_csv(folder / "shop.csv")
    return folder


def source(shop, store, table="shop.csv", **encode):
    read = SourceSettings(image="photo", text="caption", label="colour", split="part", image_folder=str(shop))
    return Source(str(shop / table), read, EncoderSettings(image_size=64, store=store, **encode))


DESIGN = {"dim": 16, "num_heads": 2, "epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def trained(shop, tmp_path_factory):
    home = tmp_path_factory.mktemp("trained")
    given = source(shop, home / "store", store_dtype="int8", store_dim=24)
    design = Design("cross_attention", **DESIGN, **given.encoder_settings())
    return train_run(given, home / "run", design), home


def test_prediction_gives_the_probabilities_of_the_training_record(shop, trained, tmp_path):
    run, _ = trained
    recorded = read_table(run.folder / "predictions.parquet")
    plain = Source(
        str(shop / "shop.csv"), SourceSettings(image_folder=str(shop)), EncoderSettings(store=tmp_path / "another")
    )
    found = predict(load_run(run.folder), plain)
    place = {row: number for number, row in enumerate(found.rows)}
    expected = np.array(recorded["probs"].to_pylist())
    probs = found.probs[[place[row] for row in recorded["row"].to_pylist()]]
    np.testing.assert_allclose(probs, expected, atol=1e-5)  # the same tokens; the network's batches are others


def test_tokens_and_networks_are_as_narrow_as_asked(trained):
    run, home = trained
    assert {name: p.basis.shape[1] for name, p in run.projections.items()} == {"image": 24, "text": 24}
    assert [len(a.mean) for a in (run.network.image_adapter, run.network.text_adapter)] == [24, 24]
    for modality, signature in run.info["encoders"].items():
        assert signature["coding"] == "int8"
        assert signature["projection"] == {"dim": 24, "digest": run.projections[modality].digest}
        store = TokenStore(home / "store", signature, 24, coding="int8")
        assert len(list(store.folder.glob("*.tokens.safetensors"))) == 1


def test_a_second_study_fits_and_encodes_nothing(shop, trained):
    _, home = trained
    heard = Listener()
    given = source(shop, home / "store", store_dtype="int8", store_dim=24)
    again = prepare(given, heard)
    assert again.encode_seconds < 60
    assert any("Pictures: 0 encoded, 60 already in the store. Texts: 0 encoded" in line for line in heard.said)
    assert {name: p.digest for name, p in again.projections.items()} == {
        name: p.digest for name, p in load_run(home / "run").projections.items()
    }


def test_rows_outside_train_have_no_part_in_the_projection(shop, trained, tmp_path):
    frame = pl.read_csv(shop / "shop.csv")
    kept = pl.concat([frame.filter(pl.col("part") == "train"), frame.filter(pl.col("part") != "train")[::2]])
    kept.write_csv(shop / "fewer.csv")
    moved = frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 39).then(pl.lit("test")).otherwise(pl.col("part")).alias("part")
    )
    moved.write_csv(shop / "moved.csv")
    digests = [
        {
            name: p.digest
            for name, p in prepare(source(shop, tmp_path / table, table, store_dim=24), Silent()).projections.items()
        }
        for table in ("fewer.csv", "moved.csv")
    ]
    whole = {name: p.digest for name, p in trained[0].projections.items()}
    assert digests[0] == whole
    assert digests[1]["image"] != whole["image"]
    assert digests[1]["text"] != whole["text"]


def test_projected_tokens_are_those_of_the_encoder_on_the_train_directions(shop, tmp_path):
    plain = prepare(source(shop, tmp_path), Silent())
    narrow = prepare(source(shop, tmp_path, store_dim=24), Silent())
    for modality in ("image", "text"):
        wide = getattr(plain.features, modality).gather(torch.arange(60))
        found = getattr(narrow.features, modality).gather(torch.arange(60))
        values = wide.tokens[wide.mask].double().numpy()
        train = getattr(plain.features, modality).gather(torch.arange(40))
        seen = train.tokens[train.mask].double().numpy()
        _, _, rows = np.linalg.svd(seen - seen.mean(0), full_matrices=False)
        expected = (values - seen.mean(0)) @ rows[:24].T @ rows[:24]
        got = found.tokens[found.mask].double().numpy() @ narrow.projections[modality].basis.double().numpy().T
        assert np.linalg.norm(got - expected) < 0.05 * np.linalg.norm(expected)


def test_a_width_above_the_encoders_leaves_its_tokens_alone(shop, tmp_path):
    heard = Listener()
    prepared = prepare(source(shop, tmp_path, store_dim=400), heard)
    assert set(prepared.projections) == {"image"}
    assert prepared.features.text.dim == 384
    assert "The text tokens stay 384 wide: store_dim=400 does not apply to them." in heard.said


def test_folds_and_a_projection_do_not_go_together(shop, tmp_path):
    given = source(shop, tmp_path, store_dim=24)
    folded = Source(given.data, SourceSettings(image="photo", text="caption", label="colour", folds=3), given.encode)
    with pytest.raises(ConfigError, match="with folds=… every row is a test row once"):
        prepare(folded, Silent())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"store_dtype": "int4"}, "Unknown number format of the store 'int4'"), ({"store_dim": 0}, "store_dim=0")],
)
def test_settings_that_cannot_work_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        EncoderSettings(**wrong)


def test_a_run_without_its_own_projection_is_refused(trained, tmp_path):
    run, _ = trained
    for name in ("run.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    with pytest.raises(DataError, match="holds no projection"):
        load_run(tmp_path)
    flipped = bytearray((run.folder / PROJECTION).read_bytes())
    flipped[-3] ^= 0x40
    (tmp_path / PROJECTION).write_bytes(bytes(flipped))
    with pytest.raises(DataError, match="does not hold the text projection that the run names"):
        load_run(tmp_path)


def test_the_head_of_a_projected_run_is_not_exported_alone(trained, tmp_path):
    run, _ = trained
    with pytest.raises(ExportError, match="Export the whole model, with whole=True"):
        export_run(run, tmp_path / "head", format="torch")


def test_the_whole_of_a_projected_run_is_exported_with_its_projection(shop, trained, tmp_path):
    run, _ = trained
    with unchecked():
        done = export_run(load_run(run.folder), tmp_path / "whole", format="torch", whole=True)
    assert max(done.differences.values()) < 1e-4
    assert read_json(done.folder / "model.json")["whole"] is True


def test_older_designs_keep_their_keys():
    assert Design("concat").key == Design("concat", store_dtype="bfloat16", store_dim=None).key
    assert len({Design("concat", store_dim=dim).key for dim in (None, 64, 128)}) == 3
