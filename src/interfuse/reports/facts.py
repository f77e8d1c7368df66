"""What a study's record says of its rows and of how it was made; whatever is absent is left out."""

from collections.abc import Mapping
from typing import Any

Facts = list[tuple[str, str]]
FIRST = "fold 1"
"""The fold whose rows a record counts by split."""


def data_card(study: Mapping[str, Any]) -> Facts:
    """List what the rows are."""
    data, folds = _table(study, "data"), spell_folds(study)
    splits = _table(data, "rows")
    names, regression = [str(name) for name in data.get("label_names") or []], data.get("task") == "regression"
    card = [
        ("source", data.get("source")),
        ("task", data.get("task")),
        ("rows", folds),
        ("splits made anew (rows below: the first)", study.get("resplit")),
        *((f"{split} rows" + (f", {FIRST}" if folds else ""), count) for split, count in splits.items()),
        ("groups (rows that stay together)", data.get("groups")),
        ("number to predict" if regression else "classes", _spell_classes(names, regression) if names else None),
        ("rows without a picture", data.get("missing_images")),
        ("rows without a text", data.get("missing_texts")),
        ("rows in trouble (quarantine.csv)", _count(data.get("troubles"))),
    ]
    return [(name, spell(value)) for name, value in card if value is not None]


def notes(study: Mapping[str, Any]) -> list[str]:
    """List what was said aloud while the rows were read."""
    return [str(note) for note in _table(study, "data").get("notes") or []]


def origin(study: Mapping[str, Any]) -> Facts:
    """List what reproduces the study."""
    seconds = {name: f"{value:,.0f} s" for name, value in _table(study, "seconds").items()}
    facts = [
        ("command", study.get("command")),
        ("seeds", ", ".join([*(str(seed) for seed in study.get("seeds") or []), *_spell_added(study)])),
        ("baseline", study.get("baseline")),
        ("margin", None if study.get("margin") is None else f"{float(study['margin']):g} (fraction)"),
        ("data fingerprint", _table(study, "data").get("fingerprint")),
        ("versions", _join(_table(study, "versions"))),
        ("machine", _join(_table(study, "machine"))),
        ("time", _join(seconds)),
        ("made", study.get("created")),
    ]
    return [(name, str(value)) for name, value in facts if value]


def key_figures(study: Mapping[str, Any], designs: int) -> Facts:
    """List the few numbers a reader wants first."""
    rows, seeds, folds = _table(_table(study, "data"), "rows"), spell_seeds(study), spell_folds(study)
    total = _table(study, "seconds").get("total")
    figures = [
        ("designs × seeds", f"{designs} × {seeds}" if seeds else str(designs)),
        ("rows", folds)
        if folds
        else ("rows " + " / ".join(rows), " / ".join(spell(count) for count in rows.values()) if rows else None),
        ("splits", f"{study['resplit']}, a seed each" if study.get("resplit") else None),
        ("baseline", study.get("baseline")),
        ("wall time", spell_seconds(float(total)) if total else None),
    ]
    return [(name, str(value)) for name, value in figures if value]


def design_settings(study: Mapping[str, Any]) -> tuple[Facts, Facts]:
    """Return the settings that all designs share, and for each design what is its own."""
    flat = []
    for entry in study.get("designs") or []:
        plain = {name: value for name, value in entry.items() if name not in ("name", "key", "role", "settings")}
        flat.append((str(entry.get("name")), {**plain, **_table(entry, "settings")}))
    if not flat:
        return [], []
    first = flat[0][1]
    common = {k: v for k, v in first.items() if all(k in one and one[k] == v for _, one in flat)} if flat[1:] else {}
    own = [(name, _join({k: v for k, v in one.items() if k not in common}, "=")) for name, one in flat]
    return [(name, str(value)) for name, value in sorted(common.items())], own


def spell_folds(study: Mapping[str, Any]) -> str | None:
    """Return how many rows were tested in how many folds; None where there is one split, or no count of rows.

    >>> spell_folds({"folds": 3, "data": {"rows": {"train": 136, "validation": 24, "test": 80}}})
    '240 in 3 folds, each tested once'
    """
    data, folds = _table(study, "data"), study.get("folds") or 1
    count = data.get("tested") or sum(_table(data, "rows").values())  # older records know the first fold only
    return f"{count:,} in {folds} folds, each tested once" if folds > 1 and count else None


def count_seeds(study: Mapping[str, Any]) -> tuple[int, int]:
    """Return the fewest and the most seeds of a design: some get more where seeds are added until a contrast is sure.

    >>> count_seeds({"seeds": [0, 1], "designs": [{"name": "a"}, {"name": "b"}], "added": {"b": 3}})
    (2, 5)
    """
    first, added = len(study.get("seeds") or []), _table(study, "added")
    counts = [first + added.get(str(entry.get("name")), 0) for entry in study.get("designs") or []]
    return min(counts, default=first), max(counts, default=first)


def spell_seeds(study: Mapping[str, Any]) -> str:
    """Return how many seeds a design has: `3`, or `3 to 8`; empty where the record does not tell.

    >>> spell_seeds({"seeds": [0, 1], "designs": [{"name": "a"}, {"name": "b"}], "added": {"b": 3}})
    '2 to 5'
    """
    fewest, most = count_seeds(study)
    return "" if most == 0 else f"{most}" if fewest == most else f"{fewest} to {most}"


def spell_scope(study: Mapping[str, Any]) -> str:
    """Return what the intervals of a study are over.

    >>> spell_scope({"seeds": [0, 1, 2]}), spell_scope({"seeds": [0, 1], "resplit": 2})
    ('examples and seeds, for this split', '2 splits made anew, each with a seed of its own')
    """
    resplit, folds, (_, seeds) = study.get("resplit"), study.get("folds") or 1, count_seeds(study)
    if resplit:
        return f"{resplit} splits made anew, each with a seed of its own"
    if folds > 1:
        return f"examples{', seeds' if seeds > 1 else ''} and the training sets of {folds} folds"
    return "examples, for this one trained model only" if seeds == 1 else "examples and seeds, for this split"


def spell(value: Any) -> str:
    """Write a number with its thousands apart, anything else as it is."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def spell_seconds(seconds: float) -> str:
    """Write a length of time.

    >>> spell_seconds(42.3), spell_seconds(357), spell_seconds(8000)
    ('42 s', '6 min', '2 h 13 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _spell_classes(names: list[str], regression: bool) -> str:
    if regression:
        return names[0]
    listing = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"{len(names):,} ({listing})"


def _table(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return dict(value) if isinstance(value, Mapping) else {}


def _spell_added(study: Mapping[str, Any]) -> list[str]:
    """Return what to say of seeds that were added to the first ones."""
    first, (_, most) = len(study.get("seeds") or []), count_seeds(study)
    return [f"and, where they were added, up to {most - 1}"] if most > first else []


def _count(value: Any) -> Any:
    return len(value) if isinstance(value, list | tuple) else value


def _join(values: Mapping[str, Any], equals: str = " ") -> str:
    return ", ".join(f"{name}{equals}{value}" for name, value in values.items() if value is not None)
