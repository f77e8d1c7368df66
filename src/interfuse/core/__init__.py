"""Errors, registry, settings, seeds, `Tokens`, `Fused`, designs and records."""
