"""Content that stands in two splits or more: pictures, near-copies of pictures, texts, pairs of both."""

import polars as pl

from interfuse.core.inspection import NEAR_COPIES, Leak
from interfuse.data.examples import Examples

PARTS = ("train", "validation", "test")
LEAKS = {
    "picture": ["image_key"],
    NEAR_COPIES: ["original"],
    "picture and text": ["image_key", "text_key"],
    "text": ["text_key"],
}
"""What may stand in two splits, to the columns that tell it."""


def find_leaks(examples: Examples) -> list[Leak]:
    """Find what stands in two splits or more; of near-copies, each set of pictures that count as one is one.

    Rows without what is looked for are left aside. A picture that stands in two splits as the very same file is no
    near-copy; where another file shows it too it is both.
    """
    columns = ["id", "image_key", "text_key", "split"]
    rows = pl.DataFrame(pl.from_arrow(examples.table.select(columns), rechunk=False))
    near = {"image_key": list(examples.near_copies), "original": list(examples.near_copies.values())}
    rows = rows.join(
        pl.DataFrame(near, schema=dict.fromkeys(near, pl.String)),
        on="image_key",
        how="left",
        maintain_order="left",
    )
    leaks = (_find(rows, what, keys) for what, keys in LEAKS.items())
    return [leak for leak in leaks if leak is not None]


def _find(rows: pl.DataFrame, what: str, keys: list[str]) -> Leak | None:
    groups = rows.lazy().drop_nulls(keys).group_by(keys, maintain_order=True)
    facts = groups.agg(pl.col("split").n_unique().alias("parts"), pl.len().alias("rows"))
    repeats = facts.filter(pl.col("parts") > 1).collect()
    if not repeats.height:
        return None
    copies = rows.filter(**dict(zip(keys, repeats.row(0), strict=False)))
    first = {row["split"]: row["id"] for row in reversed(copies.select("split", "id").to_dicts())}
    example = ", ".join(f"{part} {first[part]}" for part in PARTS if part in first)
    return Leak(what, repeats.height, int(repeats["rows"].sum()), example)
