"""Broken and hostile files by the thousand: each is answered or refused in words. `python -m tests.fuzz` runs them."""
