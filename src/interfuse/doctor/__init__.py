"""The promises that any fusion module can be held to, and the doctor who examines a module by them."""

from interfuse.doctor.examine import PROMISES, Options, Promise, assert_sound, examine
from interfuse.doctor.findings import KINDS, Finding, Report
from interfuse.doctor.subject import Inputs, Sizes, Subject

__all__ = [
    "KINDS",
    "PROMISES",
    "Finding",
    "Inputs",
    "Options",
    "Promise",
    "Report",
    "Sizes",
    "Subject",
    "assert_sound",
    "examine",
]
