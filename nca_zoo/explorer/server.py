"""Serving an exhibit on this machine alone: a fixed set of files, and the weights row by row."""

import json
import re
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nca_zoo.errors import ZooError
from nca_zoo.explorer.exhibit import Exhibit
from nca_zoo.explorer.page import TYPES, WORKER, served_page, web_files, worker_source

HOST = "127.0.0.1"
LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)
_MAP = re.compile(r"/map/(\d{1,3})/(first|final)", re.ASCII)
_OF_ONE = re.compile(r"/(weights|film)/(\d{1,9})", re.ASCII)


class ExhibitServer(ThreadingHTTPServer):
    """Answers GET for the page's own paths, to whoever was told its address, and to no others.

    The address begins with a secret, new for every server: other users of this machine can reach
    the port as well. A request must also call us by a name of this machine: any other is another
    site's page reaching in. The port in it may be another one, as behind ``ssh -L``.
    """

    daemon_threads = True

    def __init__(self, exhibit: Exhibit, port: int = 0) -> None:
        """``port`` 0 takes a free one. Raises ZooError if the port is taken."""
        page, self.policy = served_page(exhibit.about["name"])
        about = json.dumps(exhibit.about, allow_nan=False)
        self._exhibit = exhibit
        self._secret = f"/{secrets.token_urlsafe(16)}"
        self._files: dict[str, tuple[str, bytes]] = {
            "/": ("text/html; charset=utf-8", page.encode()),
            "/about.json": ("application/json", about.encode()),
            "/targets": ("application/octet-stream", exhibit.targets),
        }
        web = web_files()
        for name, text in (web | {WORKER: worker_source(web)}).items():
            kind = TYPES[name.rpartition(".")[2]]
            self._files[f"/{name}"] = (f"{kind}; charset=utf-8", text.encode())
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise ZooError(
                f"cannot serve on {HOST}:{port}: {error.strerror}; choose another --port"
            ) from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up early is nothing to report."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is, for those who may see it."""
        return f"http://{HOST}:{self.server_port}{self._secret}/"

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Type and content of a path, or None: paths are names in a list, never files on disk."""
        secret, path = path[: len(self._secret)], path[len(self._secret) :]
        if not secrets.compare_digest(secret.encode(), self._secret.encode()):
            return None
        if path in self._files:
            return self._files[path]
        if path == "/pad" and self._exhibit.pad:
            return "application/octet-stream", self._exhibit.pad.data
        match = _MAP.fullmatch(path)
        if match and int(match[1]) < len(self._exhibit.charts):
            chart = self._exhibit.charts[int(match[1])]
            laid_out = chart.first() if match[2] == "first" else chart.final()
            return "application/json", json.dumps(laid_out, allow_nan=False).encode()
        match = _OF_ONE.fullmatch(path)
        if match and int(match[2]) < len(self._exhibit.weights):
            of = self._exhibit.weights_of if match[1] == "weights" else self._exhibit.film_of
            return "application/octet-stream", of(int(match[2]))
        return None


class _Handler(BaseHTTPRequestHandler):
    server: ExhibitServer
    server_version = "nca-zoo"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        names = self.headers.get_all("Host", [])
        if len(names) != 1 or not LOOPBACK.fullmatch(names[0]):
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        try:
            found = self.server.find(self.path)
        except ZooError as error:  # a map whose feature this zoo lacks
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, "text/plain", str(error).encode())
            return
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._answer(HTTPStatus.OK, *found)

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody wants to read which files the page fetched."""
