"""Following the bus window over HTTP."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from insula.errors import InputError, Unavailable
from insula.tail import follow


class Window(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/api/v1/bus/knx?"):
            self._answer(200, b'{"key": "a"}\n\n{"key": "b"}\n')
        elif self.path.startswith("/api/v1/bus/cut?"):
            self._answer(200, b'{"key": "a"}\n', missing=5)
        elif self.path.startswith("/api/v1/bus/page?"):
            self._answer(502, b"<html>")
        else:
            self._answer(404, b'{"title": "no topic here"}')

    def _answer(self, status: int, body: bytes, missing: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Window) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_records_are_lines(url: str) -> None:
    assert list(follow(url, "knx", "end")) == ['{"key": "a"}', '{"key": "b"}']


def test_what_the_server_says_is_shown(url: str) -> None:
    with pytest.raises(InputError, match="no topic here"):
        list(follow(url, "not / a topic", "end"))
    with pytest.raises(InputError, match="502"):
        list(follow(url, "page", "end"))


@pytest.mark.parametrize("address", ["nonsense", "http://a b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="no address"):
        list(follow(address, "knx", "end"))


def test_nobody_there() -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        list(follow("http://127.0.0.1:1", "knx", "end"))
