"""The page of a served run: Gradio's blocks around a `Responder`. No request leaves the machine."""

import base64
import html
import io
import os
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from PIL import Image

from interfuse.core.errors import DataError, require
from interfuse.core.records import read_table
from interfuse.data import SourceSettings, load_for_run
from interfuse.reports import draw_heat
from interfuse.training import Run
from interfuse.workflows.serve.responder import Answer, Limits, Responder

SHOWN_WORDS = 24
"""Words whose attention is drawn."""
SHOWN_EXAMPLES = 4
CSS = """
.looked { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: 0.75rem; }
.looked figure { margin: 0; } .looked img { width: 100%; border-radius: 6px; display: block; }
.looked figcaption { text-align: center; font-size: 0.9rem; overflow-wrap: anywhere; }
"""
Example = tuple[str | None, str | None]


def build_page(responder: Responder, examples: list[Example], max_batch: int = 8) -> Any:
    """Build the blocks; requests that wait are answered together, `max_batch` at most.

    Raises:
        ExtraMissingError: the extra `serve` is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gr = require("gradio", "serve")
    regression = responder.run.task == "regression"

    def answer(pictures: list[str | None], texts: list[str | None]) -> tuple[list[Any], ...]:
        found = responder.answer(list(zip(pictures, texts, strict=True)))
        columns = zip(*(_shown(one, responder.run.task) for one in found), strict=True)
        return tuple(list(column) for column in columns)

    with gr.Blocks(title=f"Interfuse: {responder.run.design.name}", analytics_enabled=False) as page:
        gr.Markdown(f"## {responder.run.design.fusion}\nDrop a picture, type a sentence; either may be missing.")
        with gr.Row():
            with gr.Column():
                picture = gr.Image(label="Picture", type="filepath", sources=["upload"], height=300)
                picture.preprocess = lambda payload: payload.path if payload else None  # the responder opens, politely
                text = gr.Textbox(label="Text", lines=2, max_length=responder.limits.max_characters)
                ask = gr.Button("Answer", variant="primary")
            with gr.Column():
                status = gr.Markdown(elem_id="status")
                label = (
                    gr.JSON(label="Prediction") if regression else gr.Label(label="Probabilities", num_top_classes=8)
                )
                decided = gr.Markdown(elem_id="decided")
        looked = gr.HTML(elem_id="looked")
        with gr.Accordion("As JSON", open=False):
            plain = gr.JSON(show_label=False)
        outputs = [status, label, decided, looked, plain]
        gr.on(
            [ask.click, text.submit],
            answer,
            [picture, text],
            outputs,
            batch=True,
            max_batch_size=max_batch,
            api_name="answer",
        )
        if examples:
            gr.Examples([list(one) for one in examples], [picture, text], cache_examples=False, label="Validation rows")
    return page


def launch(
    page: Any, limits: Limits, host: str, port: int, auth: tuple[str, str] | None, block: bool = True
) -> tuple[Any, str]:
    """Serve the blocks; give the app and its address. Fonts are the system's, nothing is shared or counted."""
    gr = require("gradio", "serve")
    fonts = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    app, address, _ = page.queue(max_size=256).launch(
        server_name=host,
        server_port=port,
        auth=auth,
        share=False,
        quiet=True,
        show_error=False,
        max_file_size=limits.max_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        footer_links=["api"],
        theme=gr.themes.Default(font=fonts[0], font_mono=fonts[1]),
        css=CSS,
        prevent_thread_lock=not block,
    )
    return app, address


def validation_examples(run: Run, data: str, image_folder: Path | None) -> list[Example]:
    """Take a few of the rows that were this run's validation rows, as its own predictions list them.

    Raises:
        DataError: the run lists none, or `data` does not have them.
    """
    listed = run.folder / "predictions.parquet"
    if not listed.is_file():
        raise DataError(
            f"{run.folder} has no predictions.parquet, which lists its validation rows: leave out --examples."
        )
    table = read_table(listed)
    numbers = table.filter(pc.equal(table["split"], "validation"))["row"].to_pylist()
    columns = {name: column for name, column in run.info["columns"].items() if column is not None}
    if run.task == "matching" and "label" not in columns:
        numbers = [number // 2 for number in numbers if number % 2 == 0]  # pairs: row n as it is has number 2 n
    settings = SourceSettings(**columns, image_folder=image_folder)
    rows = load_for_run(data, settings, run.task, run.label_names, labelled=False).table.to_pylist()
    by_number = {row["row"]: row for row in rows}
    chosen = [by_number[number] for number in numbers if number in by_number][:SHOWN_EXAMPLES]
    if not chosen:
        raise DataError(f"{data} has none of the run's {len(numbers):,} validation rows. Is it the run's DATA?")
    return [(row["image"], row["text"]) for row in chosen]


def _shown(one: Answer, task: str) -> tuple[Any, ...]:
    """Return status, probabilities, who decided, the attention, and everything as plain values."""
    if one.error is not None:
        return f"**{html.escape(one.error)}**", None, "", "", {"error": one.error}
    decided = {"image": "the picture", "text": "the text", "both": "both", "neither": "neither"}[one.decided]
    what = "number" if task == "regression" else "probability"
    told = (
        f"**Decided by {decided}.** Of the {what} of {html.escape(one.label)} the picture gives "
        f"{one.image_part:+.3f} and the text {one.text_part:+.3f} above what neither gives (Shapley)."
    )
    plain = {
        "probs": dict(one.probs),
        "label": one.label,
        "decided": one.decided,
        "shapley": {"image": one.image_part, "text": one.text_part},
        "attention": [{"word": word, "grid": grid.round(5).tolist()} for word, grid in one.words],
        "notes": list(one.notes),
    }
    return "\n\n".join(html.escape(note) for note in one.notes), dict(one.probs), told, _draw(one), plain


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
