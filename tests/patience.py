"""How long a test waits for what must come: it guards against a hang, never against a slow or busy machine."""

PATIENCE_S = 1800
REGISTRY_S = 150
"""How long a package registry may take to answer before a test that needs one is skipped, and says so."""
