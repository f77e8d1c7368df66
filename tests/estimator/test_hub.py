"""The Hub's habits, against a local folder and a stand-in for the hub's client."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from sklearn.exceptions import NotFittedError

from interfuse import FusionClassifier
from interfuse.core.errors import DataError, HubError
from tests.estimator.conftest import SMALL


@pytest.fixture(scope="module")
def fitted(rows, store):
    small = {**SMALL, "epochs": 2}
    return FusionClassifier(**small, store=store, image_folder="/").fit(rows, rows["answer"])


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that is a folder, with the two calls that are made of its client."""
    home, asked = tmp_path / "hub", []

    class Api:
        def __init__(self, token: str | None = None) -> None:
            asked.append(("token", token))

        def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
            asked.append(("create", repo_id, private, exist_ok))
            (home / repo_id).mkdir(parents=True, exist_ok=exist_ok)

        def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> SimpleNamespace:
            asked.append(("upload", repo_id, commit_message))
            shutil.copytree(folder_path, home / repo_id, dirs_exist_ok=True)
            return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")

    def download(name: str, *, allow_patterns: list[str], revision: str | None = None) -> str:
        asked.append(("download", name, revision))
        if not (home / name).is_dir():
            raise FileNotFoundError(name)
        assert {path.name for path in (home / name).iterdir()} <= set(allow_patterns)
        return str(home / name)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return SimpleNamespace(home=home, asked=asked)


def test_it_goes_to_a_folder_and_comes_back(fitted, rows, store, tmp_path):
    fitted.save_pretrained(tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"README.md", "config.json", "run.json", "model.safetensors", "estimator.json"}
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["library_name"], config["model_type"], config["design"]["dim"]) == ("interfuse", "product", 32)
    for path in (tmp_path / "model").iterdir():  # neither rows nor folders of this machine
        assert str(store).encode() not in path.read_bytes()
        assert b"pytest-of" not in path.read_bytes()
    again = FusionClassifier.from_pretrained(tmp_path / "model").set_params(store=store)
    assert (again.predict_proba(rows) == fitted.predict_proba(rows)).all()
    (tmp_path / "model" / "estimator.json").unlink()  # a run of the command line has none
    taken = FusionClassifier.from_pretrained(tmp_path / "model").set_params(store=store)
    assert (taken.predict_proba(rows) == fitted.predict_proba(rows)).all()
    with pytest.raises(DataError, match="is not empty"):
        fitted.save_pretrained(tmp_path / "model")


def test_it_goes_to_the_hub_and_comes_back(fitted, rows, store, hub):
    assert fitted.push_to_hub("me/model", token="secret") == "https://hub/me/model/commit/1"
    assert hub.asked == [
        ("token", "secret"),
        ("create", "me/model", True, True),  # private unless told otherwise
        ("upload", "me/model", "Upload a FusionClassifier"),
    ]
    again = FusionClassifier.from_pretrained("me/model", revision="v1").set_params(store=store)
    assert hub.asked[-1] == ("download", "me/model", "v1")
    assert (again.predict(rows) == fitted.predict(rows)).all()


def test_the_model_card_says_what_it_is_and_what_was_measured(fitted, tmp_path):
    import yaml

    fitted.save_pretrained(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head) == {"library_name": "interfuse", "tags": ["image-text", "multimodal", "product"]}
    accuracy = fitted.run_.info["metrics"]["validation"]["accuracy"]
    assert f"| validation | accuracy | {accuracy:.4f} |" in body
    assert "Answers: `no`, `yes`." in body
    assert "Rows without image or without text were never trained on." in body


def test_what_goes_wrong_is_told(fitted, hub, monkeypatch, tmp_path):
    with pytest.raises(NotFittedError, match="is not fitted"):
        FusionClassifier().push_to_hub("me/model")
    with pytest.raises(HubError, match="'me/none' is no local folder and the hub did not give it .FileNotFoundError"):
        FusionClassifier.from_pretrained("me/none")
    with pytest.raises(HubError, match=r"There is no folder \./none"):
        FusionClassifier.from_pretrained("./none")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token: None)
    with pytest.raises(HubError, match="The hub did not take me/model .AttributeError"):
        fitted.push_to_hub("me/model")
