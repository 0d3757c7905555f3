"""How long the demo takes until it answers: the first time in a folder, and later."""

import tempfile
from pathlib import Path

from bench.demo_process import demo


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with demo(data) as first:
            first_s = first.started_s
        with demo(data) as later:
            later_s = later.started_s
    return {"first_start_s": first_s, "later_start_s": later_s}
