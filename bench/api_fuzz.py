"""The API against its own document, and fuzzed, for longer than `make test` does and with other cases each time."""

import sys
import tempfile
from pathlib import Path

import requests
from rich.console import Console

from tests.api_fuzz import Fuzz
from tests.demo_process import demo_process

EXAMPLES = 100
"""Of each operation, as each of three persons."""


def main() -> None:
    console = Console()
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    with tempfile.TemporaryDirectory() as folder, demo_process(Path(folder)) as demo:
        fuzz = Fuzz(demo, requests.get(f"{demo.url}/schema/openapi.json", timeout=30).json(), chance=True)
        for name in ("admin", "anna", ""):
            fuzz.conforms(name, examples)
        fuzz.takes_any_body(examples)
        fuzz.takes_any_header(10 * examples)
        fuzz.takes_any_beacon(10 * examples)
        errors = demo.errors()
        console.print(f"{fuzz.seen.total()} requests: {dict(sorted(fuzz.seen.items()))}; errors in the log: {errors}")
    if errors:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
