"""What a study was asked for, as a file: written beside the record, read again to the same comparison."""

from pathlib import Path

import polars as pl
import pytest

import interfuse
from interfuse.core.errors import ConfigError
from interfuse.core.settings import to_plain
from interfuse.data import SourceSettings
from interfuse.workflows import CompareSettings, EncoderSettings, Source, Study
from interfuse.workflows.compare import read_config, write_config
from interfuse.workflows.compare.request import Request, read_request

BASE = {"dim": 16, "num_heads": 4, "epochs": 2, "batch_size": 200, "learning_rate": 2e-3}
DESIGNS = """
["a: \\"quoted\\" name"]
fusion = "concat"
hidden = 4
image_size = "none"
[deep]
fusion = "cross_attention"
num_layers = 2
dropout = 0.3
residual = true
"""


def write(folder: Path, source: Source, settings: CompareSettings) -> Request:
    """Write the configuration of a study that is only asked for."""
    request = read_request(settings, source)
    folder.mkdir()
    write_config(Study(folder, {}), request)
    return request


def read(path: Path) -> Request:
    """Ask for what a file says, as `compare` does."""
    given = read_config(path)
    parts = [
        {name: given.pop(name) for name in list(given) if name in group.__dataclass_fields__}
        for group in (SourceSettings, EncoderSettings, CompareSettings)
    ]
    source = Source(given.pop("data", None), SourceSettings(**parts[0]), EncoderSettings(**parts[1]))
    return read_request(CompareSettings(**parts[2], base=given), source)


@pytest.mark.parametrize("way", ["default", "fusions", "file"])
def test_a_study_s_configuration_asks_for_the_same_again(tmp_path, way):
    (tmp_path / "designs.toml").write_text(DESIGNS)
    designs = {
        "default": {},
        "fusions": {"fusions": "product,concat:hidden=8:name=wide", "baseline": "wide", "primary": "product vs wide"},
        "file": {"designs": tmp_path / "designs.toml", "tune": 3, "space": "dropout=0..0.5"},
    }[way]
    settings = CompareSettings(base=BASE, seeds=3, margin=0.02, jobs=2, match_parameters="20000", **designs)
    rows = SourceSettings(image="photo", text='a "title"', label="kind", seed=3, image_folder=tmp_path, strict=True)
    source = Source(tmp_path / "rows.csv", rows, EncoderSettings(store=tmp_path / "store", image_size=64))
    first = write(tmp_path / "study", source, settings)
    (tmp_path / "designs.toml").unlink()
    again = read(tmp_path / "study" / "study.toml")
    assert [to_plain(design) for design in again.designs] == [to_plain(design) for design in first.designs]
    assert [design.key for design in again.designs] == [design.key for design in first.designs]
    assert again.source.data == str(tmp_path / "rows.csv")
    assert (again.source.read, again.source.encode, again.base) == (source.read, source.encode, first.base)
    names = set(CompareSettings.__dataclass_fields__) - {"designs", "fusions"}
    assert {name: getattr(again.settings, name) for name in names} == {name: getattr(settings, name) for name in names}
    write_config(Study(tmp_path / "study", {}), again)  # once: what the study was begun with
    write(tmp_path / "second", again.source, again.settings)
    assert (tmp_path / "second" / "study.toml").read_text() == (tmp_path / "study" / "study.toml").read_text()


def test_every_study_writes_it_and_the_same_settings_go_on_with_the_study(tmp_path):
    out = tmp_path / "study"
    study = interfuse.compare("known:xor", fusions="product", seeds=1, train_rows=200, out=out, **BASE)
    given = read_config(out / "study.toml")
    assert {"data": "known:xor", "fusions": "product", "seeds": 1, **BASE}.items() <= given.items()
    assert interfuse.compare(**given, out=out).record == study.record
    with pytest.raises(ConfigError, match="its margin is 0.01, now given: 0.5"):
        interfuse.compare(**{**given, "margin": 0.5}, out=out)


def test_what_a_file_cannot_hold_is_left_out(tmp_path):
    odd = SourceSettings(image_folder=Path("\udcff"), text="text", label="kind")
    write(tmp_path / "study", Source(pl.DataFrame({"text": ["a"]}), odd), CompareSettings(fusions="text_only"))
    given = read_config(tmp_path / "study" / "study.toml")
    assert (given["text"], given["fusions"]) == ("text", "text_only")
    assert not given.keys() & {"data", "image_folder", "store", "folds", "base"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat = 0.1", "Unknown setting of .*: 'learning_rat'. Did you mean 'learning_rate'"),
        ("fusion = 'concat'", "Unknown setting of .*: 'fusion'. Did you mean 'fusions'"),
        ("[rows]\nimage = 'photo'", "Unknown setting of .*: 'rows'"),
        ("tuned = {}", "Unknown setting of .*: 'tuned'"),
        ("seeds = '5'", "study.toml: seeds must be a whole number, got '5'"),
        ("seeds = 5.0", "seeds must be a whole number, got 5.0"),
        ("seeds = true", "seeds must be a whole number, got True"),
        ("margin = 'small'", "margin must be a number, got 'small'"),
        ("test_share = false", "test_share must be a number, got False"),
        ("strict = 1", "strict must be true or false, got 1"),
        ("image = 3", "image must be a text, got 3"),
        ("fusions = ['concat', 3]", r"fusions must be a text, got \['concat', 3\]"),
        ("designs = 3", "designs must be a text, got 3"),
        ("precision = 'float23'", "Unknown value of .*precision: 'float23'. Did you mean 'float32'"),
        ("norm = 'non'", "Unknown value of .*norm: 'non'. Did you mean 'none'"),
        ("seeds = ", "Cannot read a comparison from .*study.toml: Invalid value"),
    ],
)
def test_what_is_not_known_or_of_another_type_is_refused(tmp_path, text, message):
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "study.toml")


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path):
    (tmp_path / "bytes.toml").write_bytes(b"a = '\xff'")
    for name in ("none.toml", "bytes.toml"):
        with pytest.raises(ConfigError, match=f"Cannot read a comparison from .*{name}"):
            read_config(tmp_path / name)


def test_a_file_written_by_hand_takes_lists_whole_numbers_and_designs_of_its_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('data = "known:xor"\nlearning_rate = 1\nstore = "tokens"\nfusions = ["concat", "product"]')
    assert read_config(path) == {
        "data": "known:xor",
        "learning_rate": 1,
        "store": Path("tokens"),
        "fusions": "concat,product",
    }
    path.write_text('data = "known:xor"\ndim = 16\n[designs.wide]\nfusion = "concat"\nhidden = 8\n')
    assert read_config(path) == {"data": "known:xor", "dim": 16, "designs": path}
    (wide,) = read(path).designs
    assert (wide.name, wide.dim, wide.settings) == ("wide", 16, {"hidden": 8})
