"""Studies in one group: whether they may be ranked together, which designs they share, and by which names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.ranking import DataSet
from interfuse.core.tasks import find_metric
from interfuse.evaluation import MAJORITY
from interfuse.workflows.study import Study

NAMED = 5
"""So many designs are named in a sentence."""


@dataclass(frozen=True)
class StudyGroup:
    """Studies of different data sets, with one name for each design that they share."""

    studies: Sequence[Study]
    metric: str
    task: str
    baseline: str
    """By its shared name."""
    names: Sequence[Mapping[str, str]]
    """For each study, the shared name of a design to its own name there."""
    roles: Mapping[str, str]
    """Shared name to baseline, floor or contender."""
    data_sets: list[DataSet]
    notes: list[str]


def group_studies(studies: Sequence[Study], metric: str | None, baseline: str | None) -> StudyGroup:
    """Check that the studies may be ranked together, and find the designs that they share.

    A design is the same by its name. The studies' own baselines are one design where they are of one mechanism: a
    `concat` of matched size has another width, and so another name, on each data set.

    Args:
        studies: of different data sets.
        metric: to compare by; none: the one that all declared.
        baseline: by its name; none: the studies' own.

    Raises:
        ConfigError: tasks or metrics differ, or no two designs are shared.
        DataError: there is one study, or two are of the same rows.
    """
    labels = _label(studies)
    _check_data(studies, labels)
    task = _same("task", [study.task for study in studies], labels)
    by = _same("metric", [find_metric(metric or study.record["metric"], task) for study in studies], labels)
    own = _own_baseline(studies)
    if baseline != own and any(study.record["baseline"] == baseline for study in studies):
        own = None  # asked for by the name that it has in one of them
    names = [_names(study, own) for study in studies]
    shared = [name for name in names[0] if all(name in others for others in names)]
    chosen = _choose_baseline(studies, labels, shared, baseline or own)
    if len(shared) < 2 or set(shared) == {chosen, MAJORITY}:
        held = "; ".join(f"{label}: {', '.join(own)}" for label, own in zip(labels, names, strict=True))
        raise ConfigError(
            f"The studies share no design to compare with {chosen}. They have: {held}. A design is the same by its "
            "name: compare it under one name on every data set."
        )
    roles = {name: _role(name, chosen, studies, names) for name in shared}
    data_sets = [
        DataSet(
            name=label,
            folder=str(study.folder),
            source=_source(study),
            rows=study.record["data"].get("tested"),
            seeds=len(study.record["seeds"]),
            baseline=own_names[chosen],
        )
        for study, label, own_names in zip(studies, labels, names, strict=True)
    ]
    notes = [*_note_sources(studies), *_note_settings(studies, names, shared), *_note_others(names, shared, labels)]
    return StudyGroup(studies, by, task, chosen, names, roles, data_sets, notes)


def _label(studies: Sequence[Study]) -> list[str]:
    """Call each study by its source where that tells them apart, else by source and folder."""
    short = [Path(_source(study)).name or _source(study) for study in studies]
    if len(set(short)) == len(short):
        return short
    longer = [f"{name} ({study.folder.name})" for name, study in zip(short, studies, strict=True)]
    return longer if len(set(longer)) == len(longer) else [str(study.folder) for study in studies]


def _source(study: Study) -> str:
    return str(study.record["data"].get("source", study.folder))


def _check_data(studies: Sequence[Study], labels: Sequence[str]) -> None:
    if len(studies) < 2:
        raise DataError(
            f"A ranking is over the studies of at least 2 data sets, got {len(studies)}. One study's own result stands "
            "in its report."
        )
    first: dict[str, str] = {}
    for study, label in zip(studies, labels, strict=True):
        mark = str(study.record["data"].get("fingerprint", study.folder.resolve()))
        if mark in first:
            raise DataError(
                f"{first[mark]} and {label} are studies of the same rows: they would count twice. Give one of them."
            )
        first[mark] = label


def _same(what: str, values: Sequence[str], labels: Sequence[str]) -> str:
    """Return the one value that all studies have.

    Raises:
        ConfigError: they have several.
    """
    if len(set(values)) > 1:
        pairs = ", ".join(f"{label}: {value}" for label, value in zip(labels, values, strict=True))
        fix = " Give metric=… that all of them can be scored by." if what == "metric" else ""
        raise ConfigError(f"Studies are ranked within one {what}, got {pairs}.{fix}")
    return values[0]


def _own_baseline(studies: Sequence[Study]) -> str | None:
    """Return the shared name of the studies' own baselines; None where they are of several mechanisms."""
    own = [str(study.record["baseline"]) for study in studies]
    fusions = {
        next(design.fusion for design in study.designs() if design.name == name)
        for study, name in zip(studies, own, strict=True)
    }
    if len(set(own)) == 1:
        return own[0]
    return f"{fusions.pop()} (each study's baseline)" if len(fusions) == 1 else None


def _names(study: Study, own_baseline: str | None) -> dict[str, str]:
    """Return the study's designs, shared name to own name."""
    baseline = str(study.record["baseline"])
    names = [design.name for design in study.designs()]
    return {own_baseline if own_baseline and name == baseline else name: name for name in [*names, MAJORITY]}


def _choose_baseline(
    studies: Sequence[Study], labels: Sequence[str], shared: Sequence[str], baseline: str | None
) -> str:
    if baseline is None:
        pairs = ", ".join(f"{label}: {study.record['baseline']}" for label, study in zip(labels, studies, strict=True))
        raise ConfigError(f"The studies' baselines are of several mechanisms ({pairs}). Give baseline=… that all have.")
    if baseline not in shared:
        raise ConfigError(f"The baseline {baseline!r} is no design of all studies. All have: {', '.join(shared)}.")
    return baseline


def _role(name: str, baseline: str, studies: Sequence[Study], names: Sequence[Mapping[str, str]]) -> str:
    if name == baseline:
        return "baseline"
    roles = {
        entry["role"]
        for study, own in zip(studies, names, strict=True)
        for entry in study.record["designs"]
        if entry["name"] == own[name]
    }
    return "floor" if name == MAJORITY or "floor" in roles else "contender"


def _note_sources(studies: Sequence[Study]) -> list[str]:
    """Warn of sources that are read by several studies under one name."""
    sources = [_source(study) for study in studies]
    return [
        f"{sources.count(source)} studies read {source!r}: if that is one table under several splits or seeds, it is "
        "one data set, and the intervals are too narrow."
        for source in dict.fromkeys(sources)
        if sources.count(source) > 1
    ]


def _note_settings(studies: Sequence[Study], names: Sequence[Mapping[str, str]], shared: Sequence[str]) -> list[str]:
    """Say which settings of a shared design are not the same everywhere."""
    differing: dict[str, list[str]] = {}
    designs = [{design.name: design for design in study.designs()} for study in studies]
    for name in shared:
        own = [
            by_name[names_there[name]] for by_name, names_there in zip(designs, names, strict=True) if name != MAJORITY
        ]
        what = [
            one.name
            for one in fields(Design)
            if one.name != "name" and len({str(getattr(d, one.name)) for d in own}) > 1
        ]
        for setting in what:
            differing.setdefault(setting, []).append(name)
    parts = [
        f"{setting} (of {', '.join(of[:NAMED])}{f' and {len(of) - NAMED} more' if len(of) > NAMED else ''})"
        for setting, of in differing.items()
    ]
    return [f"Not set alike on all data sets: {'; '.join(parts)}."] if parts else []


def _note_others(names: Sequence[Mapping[str, str]], shared: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Say which designs are left out."""
    others: dict[str, list[str]] = {}
    for label, own in zip(labels, names, strict=True):
        for name in own:
            if name not in shared:
                others.setdefault(name, []).append(label)
    parts = [f"{name} ({', '.join(where)})" for name, where in others.items()]
    more = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return [f"Left out, for not all data sets have them: {'; '.join(parts[:NAMED])}{more}."] if parts else []
