"""The Hub's habits of the estimators, through huggingface_hub's mixin: save, load, push a fitted one."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from huggingface_hub import ModelHubMixin

from interfuse.core.errors import DataError, HubError, InterfuseError
from interfuse.workflows import hub

E = TypeVar("E", bound="HubHabits")
RECORD = "estimator.json"


class HubHabits(ModelHubMixin, library_name="interfuse"):
    """`save_pretrained`, `push_to_hub` and `from_pretrained` of a fitted estimator."""

    if TYPE_CHECKING:  # what an estimator brings
        _fitted_run: Any
        save: Any
        load: Any
        from_run: Any
        set_params: Any

    def __new__(cls: type[E], *_: Any, **__: Any) -> E:
        """Keep the mixin from storing a second copy of the settings, which `set_params` would not reach."""
        return object.__new__(cls)

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> str | None:
        """Write the fitted estimator as the Hub has models: safetensors, config.json and a model card.

        Args:
            save_directory: a folder that is empty or not there.
            options: of `huggingface_hub.ModelHubMixin.save_pretrained`: push_to_hub, repo_id, …

        Returns:
            With `push_to_hub` the address of the commit.

        Raises:
            DataError: the folder is not empty.
            NotFittedError: `fit` was not called.
        """
        self._fitted_run()
        if Path(save_directory).is_dir() and any(Path(save_directory).iterdir()):
            raise DataError(f"{save_directory} is not empty. Give a new folder.")
        address: str | None = super().save_pretrained(save_directory, **options)
        return address

    def push_to_hub(self, repo_id: str, *, private: bool | None = True, **options: Any) -> str:
        """Upload the fitted estimator to the Hugging Face hub; return the address of the commit.

        Args:
            repo_id: owner/name; made where it is not there.
            private: whether a repository that is made now is private.
            options: of `huggingface_hub.ModelHubMixin.push_to_hub`: token, branch, commit_message, create_pr, …

        Raises:
            HubError: the hub did not take it.
            NotFittedError: `fit` was not called.
        """
        self._fitted_run()
        options.setdefault("commit_message", f"Upload a {type(self).__name__}")
        try:
            commit = super().push_to_hub(repo_id, private=private, **options)
        except Exception as error:  # no network, no such owner, no access: any of several errors
            raise HubError(f"The hub did not take {repo_id} ({type(error).__name__}: {error}).") from error
        return str(getattr(commit, "commit_url", commit))

    @classmethod
    def from_pretrained(cls: type[E], pretrained_model_name_or_path: str | Path, **options: Any) -> E:
        """Open a fitted estimator of the Hugging Face hub, or of a local folder that `save_pretrained` wrote.

        Args:
            pretrained_model_name_or_path: owner/name, or a folder.
            options: of `huggingface_hub.ModelHubMixin.from_pretrained`: revision, cache_dir, token, local_files_only,
                …; any other is a setting of the estimator, such as `store`.

        Raises:
            HubError: it is no folder and the hub does not give it.
            DataError: it is no estimator of this class.
        """
        name = str(pretrained_model_name_or_path)
        if not Path(name).is_dir() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
            raise HubError(f"There is no folder {name}.")
        try:
            estimator: E = super().from_pretrained(name, **options)
        except InterfuseError:
            raise
        except Exception as error:  # no network, no such repository, no access: any of several errors
            raise HubError(
                f"{name!r} is no local folder and the hub did not give it ({type(error).__name__}: {error})."
            ) from error
        return estimator

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the files of the mixin's folder; its card tells of the study that the run stands in."""
        home = self._fitted_run().folder
        with TemporaryDirectory(prefix="interfuse-run-") as folder:
            self.save(folder)
            hub.write_shared(Path(folder), save_directory, None if home == Path() else home)

    @classmethod
    def _from_pretrained(cls: type[E], *, model_id: str, **options: Any) -> E:
        """Open the mixin's folder or repository."""
        hub_options = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        fetch = {name: options.pop(name) for name in hub_options if name in options}
        folder = hub.find(model_id, **fetch)
        estimator: E = cls.load(folder) if (folder / RECORD).is_file() else cls.from_run(folder)
        estimator.set_params(**options)
        return estimator
