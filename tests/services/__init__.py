"""Real servers for tests, on free ports and temporary folders; ``scripts/services.sh`` brings their programs."""

from pathlib import Path

CACHE = Path(__file__).parents[2] / ".services"


def left_out(service: str) -> str:
    """Why the tests over this service cannot run here; empty: they can."""
    missing = CACHE / f"{service}.missing"
    if missing.exists():
        return missing.read_text().strip()
    return "" if (CACHE / service).exists() else "scripts/services.sh brings it"
