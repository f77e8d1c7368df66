"""The page of a served run: Gradio's blocks around a `Responder`. No request leaves the machine."""

import base64
import contextlib
import html
import inspect
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from PIL import Image

from interfuse.core.errors import ConfigError, DataError, require
from interfuse.core.records import read_table
from interfuse.data import SourceSettings, load_for_run, to_path
from interfuse.reports import draw_heat
from interfuse.training import Run
from interfuse.workflows.serve.guard import REFUSAL, Guard, Names
from interfuse.workflows.serve.responder import Answer, Limits, Responder
from interfuse.workflows.serve.uploads import Uploads

SHOWN_WORDS = 24
"""Words whose attention is drawn."""
SHOWN_EXAMPLES = 4
STOP_SECONDS = 2
"""What open connections get when the server is told to end."""
CSS = """
.looked { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: 0.75rem; }
.looked figure { margin: 0; } .looked img { width: 100%; border-radius: 6px; display: block; }
.looked figcaption { text-align: center; font-size: 0.9rem; overflow-wrap: anywhere; }
"""
Example = tuple[str | None, str | None]


def build_page(responder: Responder, examples: list[Example], uploads: Uploads, max_batch: int = 8) -> Any:
    """Build the blocks; requests that wait are answered together, `max_batch` at most.

    Raises:
        ExtraMissingError: the extra `serve` is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_RUN_HISTORY"] = "False"  # a header could have the server send answers to a hub
    gr = require("gradio", "serve")
    regression = responder.run.task == "regression"

    def answer(pictures: list[Any], texts: list[Any]) -> tuple[list[Any], ...]:
        answers = answer_known(responder, uploads, pictures, texts)
        columns = zip(*(_lay_out(one, responder.run.task) for one in answers), strict=True)
        return tuple(list(column) for column in columns)

    with gr.Blocks(title=f"Interfuse: {responder.run.design.name}", analytics_enabled=False) as page:
        gr.Markdown(f"## {responder.run.design.fusion}\nDrop a picture, type a sentence; either may be missing.")
        with gr.Row():
            with gr.Column():
                picture = gr.Image(label="Picture", type="filepath", sources=["upload"], height=300)
                text = gr.Textbox(label="Text", lines=2, max_length=responder.limits.max_characters)
                ask = gr.Button("Answer", variant="primary")
            with gr.Column():
                status = gr.HTML(elem_id="status")  # Markdown would fetch a picture that a class is named by
                label = (
                    gr.JSON(label="Prediction") if regression else gr.Label(label="Probabilities", num_top_classes=8)
                )
                decision = gr.HTML(elem_id="decided")
        attention = gr.HTML(elem_id="looked")
        with gr.Accordion("As JSON", open=False):
            plain = gr.JSON(show_label=False)
        outputs = [status, label, decision, attention, plain]
        gr.on(
            [ask.click, text.submit],
            answer,
            [picture, text],
            outputs,
            batch=True,
            max_batch_size=max_batch,
            api_name="answer",
            preprocess=False,  # Gradio's would decode the picture without our limits
        )
        if examples:
            rows = [[_lend(uploads, image, responder.limits), text] for image, text in examples]
            gr.Examples(rows, [picture, text], cache_examples=False, label="Validation rows")
    return page


def answer_known(responder: Responder, uploads: Uploads, pictures: list[Any], texts: list[Any]) -> list[Answer]:
    """Answer a batch of what the page sends; the guard let only known files through, and this looks at each again."""
    files = [None if picture is None else picture["path"] for picture in pictures]
    known = [file is None or uploads.holds(file) for file in files]
    strings = [None if text is None else str(text) for text in texts]
    rows = [row for row, good in zip(zip(files, strings, strict=True), known, strict=True) if good]
    answers = iter(responder.answer(rows))
    return [next(answers) if good else Answer(error=REFUSAL) for good in known]


def _lend(uploads: Uploads, image: str | None, limits: Limits) -> str | None:
    """Copy an example's picture to where clients may see it; one that cannot be read is left out."""
    if image is None:
        return None
    with contextlib.suppress(DataError, OSError):
        return uploads.lend(to_path(image), limits.max_bytes)
    return None


def run_server(page: Any, uploads: Uploads, limits: Limits, names: Names, auth: tuple[str, str] | None) -> None:
    """Serve the blocks until the process is told to end."""
    uvicorn = require("uvicorn", "serve")
    app = guard_page(page, uploads, limits, names, auth)
    settings = {"log_level": "warning", "timeout_graceful_shutdown": STOP_SECONDS}
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(app, host=names.host.strip("[]"), port=names.port, **settings)


def guard_page(page: Any, uploads: Uploads, limits: Limits, names: Names, auth: tuple[str, str] | None) -> Guard:
    """Make an app of the blocks with the guard around everything, Gradio's own layers included.

    Fonts are the system's, nothing is shared or counted.

    Raises:
        ConfigError: this version of Gradio lacks something that the guard stands on.
    """
    gr, fastapi = require("gradio", "serve"), require("fastapi", "serve")
    fonts = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    settings = {
        "auth": auth,
        "show_error": False,
        "max_file_size": limits.max_bytes,
        "ssr_mode": False,
        "enable_monitoring": False,
        "mcp_server": False,
        "footer_links": ["api"],
        "theme": gr.themes.Default(font=fonts[0], font_mono=fonts[1]),
        "css": CSS,
    }
    gaps = set(settings) - set(inspect.signature(gr.mount_gradio_app).parameters)
    if gaps:
        raise _unguarded(gr, ", ".join(sorted(gaps)))
    app = gr.mount_gradio_app(fastapi.FastAPI(openapi_url=None), page.queue(max_size=256), path="/", **settings)
    page.has_launched = True  # else Gradio's own check of what it moves is off; a second lock behind the guard
    inner = getattr(app.routes[-1], "app", None)
    if str(getattr(inner, "uploaded_file_dir", None)) != str(uploads.folder):
        raise _unguarded(gr, "the folder of uploads")
    return Guard(app, uploads, names, limits.max_bytes, _login_reader(gr, inner))


def _login_reader(gr: Any, app: Any) -> Callable[[Mapping[str, str]], Any]:
    """Return a reader of who logged in, by the cookies, as Gradio does."""
    if not isinstance(getattr(app, "tokens", None), dict) or not isinstance(getattr(app, "cookie_id", None), str):
        raise _unguarded(gr, "the record of logins")

    def read(cookies: Mapping[str, str]) -> Any:
        names = f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}"
        return app.tokens.get(cookies.get(names[0]) or cookies.get(names[1]))

    return read


def _unguarded(gr: Any, gap: str) -> ConfigError:
    return ConfigError(
        f"gradio {gr.__version__} cannot be served safely: it lacks {gap}. Fix: pip install 'gradio>=6,<7'."
    )


def validation_examples(run: Run, data: str, image_folder: Path | None) -> list[Example]:
    """Take a few of the rows that were this run's validation rows, as its own predictions list them.

    Raises:
        DataError: the run lists none, or `data` does not have them.
    """
    path = run.folder / "predictions.parquet"
    if not path.is_file():
        raise DataError(
            f"{run.folder} has no predictions.parquet, which lists its validation rows: leave out examples=…."
        )
    table = read_table(path)
    numbers = table.filter(pc.equal(table["split"], "validation"))["row"].to_pylist()
    columns = {name: column for name, column in run.info["columns"].items() if column is not None}
    if run.task == "matching" and "label" not in columns:
        numbers = [number // 2 for number in numbers if number % 2 == 0]  # pairs: row n as it is has number 2 n
    settings = SourceSettings(**columns, image_folder=image_folder)
    rows = load_for_run(data, settings, run.task, run.label_names, labelled=False).table.to_pylist()
    by_number = {row["row"]: row for row in rows}
    examples = [by_number[number] for number in numbers if number in by_number][:SHOWN_EXAMPLES]
    if not examples:
        raise DataError(f"{data} has none of the run's {len(numbers):,} validation rows. Is it the run's DATA?")
    return [(row["image"], row["text"]) for row in examples]


def _lay_out(one: Answer, task: str) -> tuple[Any, ...]:
    """Return status, probabilities, who decided, the attention, and everything as plain values."""
    if one.error is not None:
        return f"<strong>{html.escape(one.error)}</strong>", None, "", "", {"error": one.error}
    decider = {"image": "the picture", "text": "the text", "both": "both", "neither": "neither"}[one.decided]
    what = "number" if task == "regression" else "probability"
    verdict = (
        f"<p><strong>Decided by {decider}.</strong> Of the {what} of {html.escape(one.label)} the picture gives "
        f"{one.image_part:+.3f} and the text {one.text_part:+.3f} above what neither gives (Shapley).</p>"
    )
    plain = {
        "probs": dict(one.probs),
        "label": one.label,
        "decided": one.decided,
        "shapley": {"image": one.image_part, "text": one.text_part},
        "attention": [{"word": word, "grid": grid.round(5).tolist()} for word, grid in one.words],
        "notes": list(one.notes),
    }
    return "".join(f"<p>{html.escape(note)}</p>" for note in one.notes), dict(one.probs), verdict, _draw(one), plain


def _draw(one: Answer) -> str:
    if one.picture is None or not one.words:
        return ""
    figures = [
        f'<figure><img alt="where {html.escape(word, quote=True)} looked" src="{_uri(draw_heat(one.picture, grid))}">'
        f"<figcaption>{html.escape(word)}</figcaption></figure>"
        for word, grid in one.words[:SHOWN_WORDS]
    ]
    return f'<h3>Where each word looked</h3><div class="looked">{"".join(figures)}</div>'


def _uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
