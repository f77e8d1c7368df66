"""A hook of MkDocs: every committed notebook becomes a page, with the outputs that stand in it. Nothing is run."""

import json
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook; the notebook itself stays in the site, to be downloaded."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        notebook = json.loads(file.content_string)
        name = file.src_uri.rpartition("/")[2]
        page = f"{to_markdown(notebook)}\n\n[This page as a notebook]({name})\n"
        files.append(File.generated(config, file.src_uri.removesuffix(".ipynb") + ".md", content=page))
    return files


def to_markdown(notebook: dict[str, Any]) -> str:
    """Write the cells one after the other: prose as it is, code fenced, outputs below it."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif source.strip():
            parts.append(f"```python\n{source}\n```")
            parts += [shown for output in cell["outputs"] if (shown := _show(output))]
    return "\n\n".join(parts)


def _show(output: dict[str, Any]) -> str:
    """Write an output: what was printed, a picture, or the text of a value."""
    if output.get("name") == "stderr":
        return ""
    if output["output_type"] == "stream":
        return f"```text\n{''.join(output['text']).rstrip()}\n```"
    data = output.get("data", {})
    if "image/png" in data:
        return f"![output](data:image/png;base64,{''.join(data['image/png']).strip()})"
    return f"```text\n{''.join(data['text/plain']).rstrip()}\n```" if "text/plain" in data else ""
