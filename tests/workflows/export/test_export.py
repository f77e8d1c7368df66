"""Export: every exportable mechanism agrees in ONNX, odd sizes and missing modalities included; the rest is refused."""

import json
import os
import subprocess
import sys
import textwrap
import venv
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError, ExportError, OutputError
from interfuse.core.tokens import Tokens
from interfuse.core.weights import load_tensors, read_tensor_facts
from interfuse.data import FORMATS, MAX_PIXELS, open_picture
from interfuse.encoders import load_image_encoder, load_text_encoder
from interfuse.fusion import FUSIONS
from interfuse.training import ModalitySpec, Network, Run, load_run, save_run
from interfuse.workflows.export import export, runtime
from interfuse.workflows.export.export import export_run, open_exported
from interfuse.workflows.export.graphs import HeadGraph
from interfuse.workflows.export.parity import head_cases
from tests.full_disk import full_disk
from tests.patience import REGISTRY_S
from tests.shape_checks import unchecked

KINDS = ["full", "padded", "no image", "no text", "neither"]


def make_run(folder: Path, fusion: str = "cross_attention", task: str = "multiclass", **settings: object) -> Run:
    torch.manual_seed(0)
    design = Design(fusion, dim=16, num_heads=2, **settings)
    image = ModalitySpec(11, (3, 3), torch.randn(11), torch.rand(11) + 0.5)
    text = ModalitySpec(13, None, torch.randn(13), torch.rand(13) + 0.5)
    network = Network(design, image, text, classes=3).eval()
    info = {
        "task": task,
        "label_names": ["a", "b", "c"],
        "encoders": {},
        "encoder_settings": {"image_encoder": "known"},
    }
    save_run(folder, network, design, info, [])
    return Run(folder, design, network, info)


def small(folder: Path, name: str) -> Run:
    """Make a run of one layer where the mechanism has layers: a trace takes time by the operation."""
    one = {"num_layers": 1} if "num_layers" in FUSIONS.entry(name).config.__dataclass_fields__ else {}
    try:
        return make_run(folder, name, settings=one)
    except ConfigError:  # one that needs more
        return make_run(folder, name)


@pytest.mark.parametrize("name", FUSIONS.names())
def test_every_mechanism_agrees_when_exported_or_is_refused(tmp_path, name):
    run = small(tmp_path / "run", name)
    if not run.network.fusion.exportable:
        with pytest.raises(ExportError, match=f"{name} cannot be exported to ONNX. Give format=torch."):
            export_run(run, tmp_path / "out")
        return
    with unchecked():
        done = export_run(run, tmp_path / "out")  # holds it to the run at sizes that are not the example's
    assert set(done.differences) == set(KINDS)
    assert done.largest < 2e-5
    predict = open_exported(done.file)
    for kind, feed in head_cases(run.network):
        one = {key: values[:, :1] for key, values in feed.items()}  # a token each
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # so few tokens may be warned of
            wanted = HeadGraph(run.network, run.task)(*one.values())
        torch.testing.assert_close(predict(one), wanted, rtol=0, atol=2e-5, msg=kind)


def test_attention_over_no_key_would_differ_without_our_care(tmp_path):
    """Holds the fact: the exporter's own attention averages the values of a row without a real key."""

    class Bare(nn.Module):
        def forward(self, query: Tensor, mask: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(query, query, query, attn_mask=mask)

    query, mask = torch.randn(1, 1, 2, 4), torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    with export.quiet():
        program = torch.onnx.export(Bare(), (query, mask), dynamo=True, verbose=False)
        program.save(tmp_path / "bare.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "bare.onnx"))
    names = [given.name for given in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, (query.numpy(), mask.numpy()))))
    assert (Bare()(query, mask) == 0).all()
    assert np.abs(found).max() > 0.01


@pytest.mark.parametrize("format", ["onnx", "torch"])
@pytest.mark.parametrize(
    ("fusion", "task", "settings"),
    [
        ("cross_attention", "multiclass", {"encoder_layers": 1, "gate": "glu"}),
        ("late_product", "multiclass", {}),
        ("concat", "multilabel", {"norm": "none"}),
    ],
)
def test_a_run_is_exported_with_what_is_needed_to_use_it(tmp_path, fusion, task, settings, format):
    run = make_run(tmp_path / "run", fusion, task, **settings)
    done = export_run(run, tmp_path / "out", format)
    assert set(done.differences) == set(KINDS)
    assert done.largest <= 1e-4
    card = json.loads((tmp_path / "out" / "model.json").read_text())
    assert (card["task"], card["label_names"], card["whole"]) == (task, ["a", "b", "c"], False)
    image, text = torch.randn(2, 6, 11), torch.randn(2, 3, 13)
    image_mask, text_mask = torch.arange(6) < torch.tensor([[6], [0]]), torch.arange(3) < torch.tensor([[1], [3]])
    with torch.inference_mode():
        logits = run.network(Tokens(image, image_mask), Tokens(text, text_mask)).logits
    wanted = logits.sigmoid() if task == "multilabel" else logits.softmax(-1)
    feed = {"image": image, "image_mask": image_mask, "text": text, "text_mask": text_mask}
    torch.testing.assert_close(open_exported(done.file)(feed), wanted, rtol=0, atol=1e-5)
    assert (tmp_path / "out" / "predict.py").is_file() == (format == "onnx")
    assert str(Path(__file__).parents[3]).encode() not in done.file.read_bytes()  # no folder of this machine
    with pytest.raises(ExportError, match="is not empty"):
        export_run(run, tmp_path / "out", format)


def test_a_model_that_does_not_agree_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", "concat")
    honest = export.open_exported

    def off(path: Path) -> export.Predictor:
        predict = honest(path)
        return lambda feed: predict(feed) + (3e-4 if not feed["text_mask"].any(1).all() else 0)

    monkeypatch.setattr(export, "open_exported", off)
    with pytest.raises(
        ExportError, match=r"largest difference full .*, no text 3\.0e-04, neither 3\.0e-04, where 1e-04 is allowed"
    ):
        export_run(run, tmp_path / "out", "torch")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    monkeypatch.setattr(export, "open_exported", lambda path: lambda feed: honest(path)(feed) * float("nan"))
    with pytest.raises(ExportError, match="full nan"):
        export_run(run, tmp_path / "out", "torch")
    monkeypatch.undo()
    monkeypatch.setattr(type(run.network.fusion), "exportable", False)
    with pytest.raises(ExportError, match="concat cannot be exported to ONNX. Give format=torch."):
        export_run(run, tmp_path / "out")
    monkeypatch.undo()
    with pytest.raises(ExportError, match="known-answer task has tokens and no encoders"):
        export_run(run, tmp_path / "out", whole=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run on small encoders of transformers, exported whole, beside the parts to check it with."""
    folder = tmp_path_factory.mktemp("whole")
    see, read = make_encoders(folder)
    rng = np.random.default_rng(0)
    for number, mode in enumerate(MODES):
        picture = Image.fromarray(rng.integers(0, 255, (50, 40, 3), dtype=np.uint8)).convert(mode)
        picture.save(folder / f"{number}-{mode}.png")
    design = Design("cross_attention", image_encoder=str(see), text_encoder=str(read), dim=16, num_heads=2)
    encoders = [load_image_encoder(str(see), dtype="float32"), load_text_encoder(str(read), dtype="float32")]
    torch.manual_seed(0)
    specs = [ModalitySpec(e.dim, getattr(e, "grid", None), torch.zeros(e.dim), torch.ones(e.dim)) for e in encoders]
    network = Network(design, *specs, classes=2).eval()
    info = {
        "task": "multiclass",
        "label_names": ["no", "yes"],
        "encoders": {"image": dict(encoders[0].signature), "text": dict(encoders[1].signature)},
        "encoder_settings": {"image_encoder": str(see), "text_encoder": str(read), "image_size": None},
        "columns": {"image": "photo", "text": "caption", "label": "answer"},
        "trained_on_missing": {"image": True, "text": True},
    }
    save_run(folder / "run", network, design, info, [])
    with unchecked():
        done = export_run(Run(folder / "run", design, network, info), folder / "out", whole=True)
    return folder, done, encoders, network


def make_encoders(folder: Path) -> tuple[Path, Path]:
    from transformers import BertConfig, BertModel, BertTokenizerFast, ResNetConfig, ResNetModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(0)
    see, read = folder / "see", folder / "read"
    ResNetModel(ResNetConfig(hidden_sizes=[8, 12], depths=[1, 1], embedding_size=8)).save_pretrained(see)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(see)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "square", "##s", "?"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16).save_pretrained(read)
    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)).save_pretrained(read)
    return see, read


MODES = ["RGB", "L", "RGBA", "P", "LA"]
TEXTS = ["a red square?", "blue squares", None, "unknown words " * 20, "a"]


def test_a_whole_model_answers_as_the_run_does(whole):
    folder, done, (see, read), network = whole
    assert done.largest <= 1e-4
    model = runtime.Model(folder / "out")
    paths = [str(folder / f"{number}-{mode}.png") for number, mode in enumerate(MODES)]
    pictures = [paths[0], None, paths[2], paths[3], paths[0]]
    found = model.predict(pictures, TEXTS)
    for row, (path, text) in enumerate(zip(pictures, TEXTS)):
        image = see.encode(see.prepare(open_picture(path))[None]) if path else torch.zeros(1, 1, see.dim)
        tokens = read.encode(read.prepare([text]).ids) if text else Tokens(torch.zeros(1, 1, 12), torch.zeros(1, 1) > 0)
        image_mask = torch.full(image.shape[:2], path is not None)
        with torch.inference_mode():
            wanted = network(Tokens(image, image_mask), tokens).logits.softmax(-1)
        np.testing.assert_allclose(found[row : row + 1], wanted.numpy(), atol=1e-4)
    assert np.ptp(found[:, 0]) > 1e-3  # the rows differ
    for mode in MODES:
        path = folder / f"{MODES.index(mode)}-{mode}.png"
        np.testing.assert_allclose(model.pixels(path), see.prepare(open_picture(path)).numpy(), atol=1e-5)
    deep = Image.fromarray((np.arange(1200).reshape(40, 30) * 50).astype(np.uint16))
    deep.save(folder / "deep.png")
    assert (
        np.asarray(runtime.to_rgb(Image.open(folder / "deep.png"))) == np.asarray(open_picture(folder / "deep.png"))
    ).all()


def test_it_runs_where_there_is_no_torch(whole):
    folder, _, _, _ = whole
    picture = folder / "0-RGB.png"
    code = """
        import runpy, sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("torch", "transformers", "interfuse", "onnx", "onnxscript", "pandas"):
                    raise ImportError(name)

        sys.meta_path.insert(0, Refuse())
        sys.argv = [sys.argv[1] + "/predict.py", *sys.argv[2:]]
        runpy.run_path(sys.argv[0], run_name="__main__")
        loaded = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
        print(sorted(n for n in loaded if n in ("numpy", "onnxruntime", "PIL", "tokenizers", "torch", "interfuse")))
    """
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(code),
        str(folder / "out"),
        str(picture),
        "a red square?",
        "-",
        "a",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second, loaded = done.stdout.splitlines()
    assert set(json.loads(first)) == {"no", "yes"}
    wanted = runtime.Model(folder / "out").predict([picture, None], ["a red square?", "a"])
    np.testing.assert_allclose([list(json.loads(line).values()) for line in (first, second)], wanted, atol=1e-5)
    assert loaded == "['PIL', 'numpy', 'onnxruntime', 'tokenizers']"


def pip_of(python: Path) -> list[str]:
    """Return the command by which our own pip works on another environment."""
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An environment of four packages, none of which is torch."""
    home = tmp_path_factory.mktemp("bare")
    command = ["install", "-q", "--no-compile", "numpy", "onnxruntime", "pillow", "tokenizers"]
    try:
        venv.create(home)  # our own pip fills it: to give it one takes as long as the packages do
        python = home / "bin" / "python"
        done = subprocess.run(
            [*pip_of(python), *command], capture_output=True, text=True, check=False, timeout=REGISTRY_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"no registry answered within {REGISTRY_S} s")
    if done.returncode != 0:
        pytest.skip(f"no registry answers: {done.stderr.strip().splitlines()[-1]}")
    return python


def test_it_runs_in_an_environment_where_torch_was_never_installed(whole, bare):
    folder, _, _, _ = whole
    told = subprocess.run([*pip_of(bare), "list"], capture_output=True, text=True, check=True).stdout
    assert "onnxruntime" in told.split()
    assert not {"torch", "transformers", "interfuse"} & set(told.split())
    asked = [str(folder / "0-RGB.png"), "a red square?", "-", "a"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [bare, str(folder / "out" / "predict.py"), *asked], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    found = [list(json.loads(line).values()) for line in done.stdout.splitlines()]
    wanted = runtime.Model(folder / "out").predict([asked[0], None], [asked[1], asked[3]])
    np.testing.assert_allclose(found, wanted, atol=1e-4)  # its Pillow and its kernels may be of another release


def test_another_encoder_than_the_run_was_trained_with_is_refused(whole):
    folder = whole[0]
    run = load_run(folder / "run")
    other = {**run.info["encoders"], "text": {**run.info["encoders"]["text"], "weights": "0" * 32}}
    with pytest.raises(ExportError, match="was trained on text tokens of .*000"):
        export_run(replace(run, info={**run.info, "encoders": other}), folder / "refused", whole=True)
    assert not (folder / "refused").exists()


def test_the_script_beside_a_model_decodes_what_training_decodes_and_nothing_else(tmp_path, monkeypatch):
    def run(*_, **__):
        raise AssertionError("a program was about to run")

    assert (runtime.FORMATS, runtime.MAX_PIXELS) == (FORMATS, MAX_PIXELS)
    Image.new("RGB", (16, 16), "red").save(tmp_path / "photo.jpg", "EPS")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", run)
    with pytest.raises(OSError, match="cannot identify"):
        runtime.open_picture(tmp_path / "photo.jpg")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="is no regular file"):
        runtime.open_picture(tmp_path / "pipe.png")
    Image.new("1", (9_000, 8_000)).save(tmp_path / "large.png")
    with pytest.raises(ValueError, match="9,000 × 8,000 pixels, more than 64,000,000"):
        runtime.open_picture(tmp_path / "large.png")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    run = small(tmp_path / "run", "concat")
    with unchecked(), full_disk(), pytest.raises(OutputError, match="out cannot be written: .*Free some space"):
        export_run(run, tmp_path / "out", "torch")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        export_run(run, tmp_path / "file" / "out", "torch")


def test_a_run_is_not_written_to_a_full_disk_and_its_weights_are_not_waited_for_in_a_pipe(tmp_path):
    with full_disk(), pytest.raises(OutputError, match="safetensors cannot be written: File too large"):
        small(tmp_path / "run", "concat")
    os.mkfifo(tmp_path / "pipe")
    for read in (load_tensors, read_tensor_facts):
        with pytest.raises(DataError, match="a pipe or a device"):
            read(tmp_path / "pipe")
