"""Plan a comparison: how many seeds and test rows it takes to see a difference, before they are paid for."""

from interfuse.workflows.plan.plan import plan

__all__ = ["plan"]
