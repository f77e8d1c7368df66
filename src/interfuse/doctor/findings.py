"""What the doctor says: findings in order of harm, each with evidence and a fix."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}

# kind -> number of the defect class, or None; the order is the order of harm.
KINDS: dict[str, int | None] = {
    "cannot-call": None,
    "batch-leak": 2,
    "unregistered-parameters": 1,
    "modality-ignored": 8,
    "missing-nan": 4,
    "missing-leak": 4,
    "padding-leak": 5,
    "inverted-mask": 5,
    "random-in-eval": 7,
    "state-lost": 9,
    "lazy-layers": 9,
    "one-key-softmax": 3,
    "dead-parameter": 6,
    "bad-gradient": None,
    "ignored-argument": 6,
    "unequal-lengths": 10,
    "shape": None,
    "state-moves": None,
    "inputs-change": None,
    "crash": None,
    "no-mask": 5,
    "no-fusion": None,
    "ignored-setting": 6,
    "dtype": None,
    "export": None,
    "similarities": None,
    "poison-leak": None,
    "not-a-buffer": None,
    "zero-gate": None,
    "blocked-input": None,
    "cancelled-bias": None,
    "unread-module": None,
    "how-called": None,
}


class NotExaminedError(Exception):
    """A promise could not be examined; the words say why."""


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor saw."""

    kind: str
    """Stable slug, a key of `KINDS`."""
    severity: Severity
    """error: results are or will be wrong; warning: wrong in some use; info: worth knowing."""
    title: str
    """What is the matter, in one line."""
    evidence: str
    """What was measured."""
    where: str = ""
    """Names of parameters or arguments, and the class with file and line."""
    fix: str = ""
    """What to change."""

    @property
    def defect(self) -> int | None:
        """Number of the defect class among the ten, or None."""
        return KINDS[self.kind]

    def __str__(self) -> str:
        """Write it as indented lines."""
        parts = [f"{self.severity}: {self.title} [{self.kind}]", f"  seen:  {self.evidence}"]
        parts += [f"  where: {self.where}"] if self.where else []
        parts += [f"  fix:   {self.fix}"] if self.fix else []
        return "\n".join(parts)


@dataclass(frozen=True)
class Report:
    """All findings on one module, the worst first."""

    subject: str
    """Class and number of parameters."""
    findings: tuple[Finding, ...]
    passes: tuple[str, ...] = ()
    """Promises that were examined and kept."""
    skipped: tuple[str, ...] = ()
    """Promises that do not apply, each with the reason."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.of("error")

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Pick the findings of one severity.

        Args:
            severity: error, warning or info.
        """
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def kinds(self) -> frozenset[str]:
        """The slugs of all findings."""
        return frozenset(finding.kind for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One line: how many of what."""
        counts = [f"{len(self.of(s))} {s}{'s' if s != 'info' and len(self.of(s)) != 1 else ''}" for s in SEVERITIES]
        count = f"{len(self.passes)} of {len(self.passes) + len(self.broken)} promises kept"
        return f"{', '.join(counts)}; {count}; {self.seconds:.1f} s"

    @property
    def broken(self) -> frozenset[str]:
        """The slugs of errors and warnings."""
        return frozenset(finding.kind for finding in self.findings if finding.severity != "info")

    def __str__(self) -> str:
        """Write the whole report as plain text."""
        lines = [self.subject, *map(str, self.findings)]
        lines += [f"kept: {', '.join(self.passes)}"] if self.passes else []
        lines += [f"not examined: {'; '.join(self.skipped)}"] if self.skipped else []
        return "\n".join([*lines, self.verdict])

    def to_json(self) -> str:
        """Write the report as JSON, for a program to read."""
        plain = {
            "subject": self.subject,
            "ok": self.ok,
            "findings": [{**vars(finding), "defect": finding.defect} for finding in self.findings],
            "passes": list(self.passes),
            "skipped": list(self.skipped),
            "seconds": round(self.seconds, 3),
        }
        return json.dumps(plain, indent=2, ensure_ascii=False)

    def show(self, console: Console) -> None:
        """Print the report in colour.

        Args:
            console: of rich, where it is printed.
        """
        console.print(f"[bold]{escape(self.subject)}[/bold]\n", highlight=False)
        for finding in self.findings:
            colour = COLOURS[finding.severity]
            console.print(
                f"[{colour}]{finding.severity}[/{colour}] [bold]{escape(finding.title)}[/bold] "
                f"[dim]{escape(f'[{finding.kind}]')}[/dim]",
                highlight=False,
            )
            for label, words in (("seen ", finding.evidence), ("where", finding.where), ("fix  ", finding.fix)):
                if words:
                    console.print(f"  [dim]{label}[/dim] {escape(words)}", highlight=False)
            console.print()
        if self.passes:
            console.print(f"[green]kept[/green] {escape(', '.join(self.passes))}", highlight=False)
        if self.skipped:
            console.print(f"[dim]not examined: {escape('; '.join(self.skipped))}[/dim]", highlight=False)
        console.print(escape(self.verdict), highlight=False)


def by_harm(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings, the worst first; what two promises saw is told once."""
    order = list(KINDS)
    unique: dict[tuple[str, str, str], Finding] = {}
    for finding in sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), order.index(f.kind))):
        unique.setdefault((finding.kind, finding.title, finding.where), finding)
    return tuple(unique.values())
