"""The Hub's habits, through its mixin: against a local folder, and a hub that is served on this machine."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from huggingface_hub import ModelHubMixin
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from interfuse import FusionClassifier
from interfuse.core.errors import DataError, HubError
from interfuse.core.files import write_json
from interfuse.evaluation import mean_interval
from interfuse.training import load_run
from interfuse.workflows import CompareSettings, EncoderSettings, Source, compare, train_run
from interfuse.workflows.hub.model_card import model_card
from tests.estimator.conftest import SMALL
from tests.hub_server import served


@pytest.fixture(scope="module")
def fitted(rows, store):
    small = {**SMALL, "epochs": 2}
    return FusionClassifier(**small, store=store, image_folder="/").fit(rows, rows["answer"])


def test_it_goes_to_a_folder_and_comes_back(fitted, rows, store, tmp_path):
    assert isinstance(fitted, ModelHubMixin)
    assert vars(clone(fitted)) == fitted.get_params()  # the mixin keeps no settings of its own
    fitted.save_pretrained(tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"README.md", "config.json", "run.json", "model.safetensors", "estimator.json"}
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["library_name"], config["model_type"], config["design"]["dim"]) == ("interfuse", "product", 32)
    for path in (tmp_path / "model").iterdir():  # neither rows nor folders of this machine
        assert str(store).encode() not in path.read_bytes()
        assert b"pytest-of" not in path.read_bytes()
    again = FusionClassifier.from_pretrained(tmp_path / "model", store=store)
    assert again.store == store
    assert (again.predict_proba(rows) == fitted.predict_proba(rows)).all()
    (tmp_path / "model" / "estimator.json").unlink()  # a run of the command line has none
    taken = FusionClassifier.from_pretrained(tmp_path / "model").set_params(store=store)
    assert (taken.predict_proba(rows) == fitted.predict_proba(rows)).all()
    with pytest.raises(DataError, match="is not empty"):
        fitted.save_pretrained(tmp_path / "model")


def test_it_goes_to_a_hub_and_comes_back_by_http(fitted, rows, store, tmp_path):
    code = """
        import sys
        import numpy as np, pandas as pd
        from interfuse import FusionClassifier
        home, store = sys.argv[1:]
        made = FusionClassifier.load(home + "/model")
        print(made.push_to_hub("me/model", token="hf_secret"))
        back = FusionClassifier.from_pretrained("me/model", store=store, token="hf_secret")
        np.save(home + "/probs.npy", back.predict_proba(pd.read_parquet(home + "/rows.parquet")))
        try:
            FusionClassifier.from_pretrained("me/none")
        except Exception as error:
            print(type(error).__name__, error)
    """
    fitted.save(tmp_path / "model")
    rows.to_parquet(tmp_path / "rows.parquet")
    with served() as (hub, address):
        env = {**os.environ, "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), str(store)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    commit, missing = done.stdout.splitlines()[:2]
    assert commit.startswith(f"{address}/me/model/commit/")
    assert missing.startswith("HubError 'me/none' is no local folder and the hub did not give it (RepositoryNotFound")
    names = {"README.md", "config.json", "run.json", "model.safetensors", "estimator.json", ".gitattributes"}
    assert set(hub.repositories["me/model"]) == names
    assert hub.private["me/model"]  # unless told otherwise
    assert hub.messages == ["Upload a FusionClassifier"]
    assert "Bearer hf_secret" in hub.tokens
    np.testing.assert_allclose(np.load(tmp_path / "probs.npy"), fitted.predict_proba(rows), atol=1e-5)


def test_the_model_card_says_what_it_is_and_what_was_measured(fitted, tmp_path):
    import yaml

    fitted.save_pretrained(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head) == {"library_name": "interfuse", "tags": ["image-text", "multimodal", "product"]}
    accuracy = fitted.run_.info["metrics"]["validation"]["accuracy"]
    listed = fitted._tables["predictions"]
    found = mean_interval(listed["score"].to_numpy()[None], listed["group"].to_numpy(), lowest=0.0)
    assert f"| validation | accuracy | {accuracy:.4f} | {found.low:.4f} to {found.high:.4f} |" in body
    assert "Answers: `no`, `yes`." in body
    assert f"Trained on {fitted.run_.info['train_rows']} rows" in body
    assert "How far another row's modality moves a prediction (0 to 1, last epoch): image 0." in body
    assert "Rows without image or without text were never trained on." in body
    assert "another seed may score otherwise" in body


def test_the_card_of_a_studys_run_tells_data_comparison_and_use(tmp_path):
    compare(
        Source("known:xor"),
        tmp_path / "study",
        CompareSettings(fusions="concat,product", seeds=2, jobs=1, base={"epochs": 1, "dim": 8}),
    )
    (folder,) = (tmp_path / "study" / "runs").glob("product*/1")
    measure = {"key": "permutation", "title": "Which modality does it look at?", "verdict": "The image is needed."}
    found = {"verdict": "Multimodal: it needs both.", "split": "test", "source": "known:xor", "measures": [measure]}
    write_json(folder / "diagnosis.json", found)
    card = model_card(load_run(folder))
    assert "- Source: known:xor; rows: train " in card
    assert "Train rows a class: " in card
    assert "The comparison it comes from, on test rows, 2 seeds (accuracy; 95 % intervals over " in card
    assert "| **product" in card
    assert "| concat" in card
    assert "Multimodal: it needs both. (test rows of known:xor)" in card
    assert "- Which modality does it look at? The image is needed." in card
    assert "another seed may score otherwise" not in card
    assert "from_pretrained" not in card  # a known-answer task has no encoders, so no estimator opens it
    (folder / "diagnosis.json").unlink()
    assert "`interfuse diagnose` does." in model_card(load_run(folder))


def test_the_card_of_a_run_for_matching_names_an_estimator_that_opens_it(rows, store, tmp_path):
    from interfuse.core.design import Design
    from interfuse.data import SourceSettings

    read = SourceSettings(image="photo", text="question", image_folder="/")
    frame = rows.assign(question=[f"number {place}" for place in range(len(rows))])
    source = Source(frame[["photo", "question"]], read, EncoderSettings(image_size=64, store=store))
    run = train_run(source, tmp_path / "run", Design("product", image_size=64, dim=16, epochs=1))
    assert "model = FusionClassifier.from_pretrained" in model_card(run)
    FusionClassifier.from_run(run.folder).save_pretrained(tmp_path / "model")
    assert FusionClassifier.from_pretrained(tmp_path / "model").classes_.tolist() == [0, 1]


def test_what_goes_wrong_is_told(fitted, tmp_path):
    with pytest.raises(NotFittedError, match="is not fitted"):
        FusionClassifier().push_to_hub("me/model")
    with pytest.raises(NotFittedError, match="is not fitted"):
        FusionClassifier().save_pretrained(tmp_path / "model")
    with pytest.raises(HubError, match="'me/none' is no local folder and the hub did not give it"):
        FusionClassifier.from_pretrained("me/none")
    with pytest.raises(HubError, match=r"There is no folder \./none"):
        FusionClassifier.from_pretrained("./none")
    with pytest.raises(HubError, match="The hub did not take me/model .OfflineModeIsEnabled"):
        fitted.push_to_hub("me/model")
