"""``insula demo`` as a process of its own: the whole building over the real protocols, with who lives in it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

START = "from insula.cli import main; main()"
FREE = ("--port", "0", "--knx-port", "0", "--zwave-port", "0", "--control-port", "0")


@dataclass
class Demo:
    """``people``: password by name."""

    url: str
    people: dict[str, str]
    log: Path

    def signed_in(self, name: str) -> requests.Session:
        """A browser of that person's; of nobody's for an empty name."""
        browser = requests.Session()
        if name:
            body = {"name": name, "password": self.people[name]}
            answer = browser.post(f"{self.url}/api/v1/session", json=body, timeout=30)
            assert answer.status_code == 200, answer.text
        return browser

    def errors(self) -> list[str]:
        """What its log says of requests that failed by our own fault."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "request failed" in line or line.startswith("Traceback")]


@contextmanager
def demo_process(folder: Path) -> Iterator[Demo]:
    """Ends with the block."""
    log = folder / "demo.log"
    command = [sys.executable, "-c", START, "demo", *FREE, "--data", str(folder / "data")]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        url, people = "", {}
        for line in process.stdout:
            if found := re.match(r"Insula runs .*: (http://\S+)", line):
                url = found[1]
            if found := re.match(r" +sign in as (\w+) with (\S+): ", line):
                people[found[1]] = found[2]
            if "anna" in people:
                break
        assert url, log.read_text()
        yield Demo(url, people, log)
    finally:
        process.terminate()
        process.communicate(timeout=30)
