"""Zoos from a server on this machine: fetched once, and nothing kept that is not what it says."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner
from rows import header, record

import nca_zoo as nz
from nca_zoo.errors import ZooError
from nca_zoo.exchange import fetching
from nca_zoo.exchange.fetching import fetched, is_address
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    path = tmp_path_factory.mktemp("there") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(i) for i in range(3)])
    return path.read_bytes()


class Served(dict):
    """Bytes by path, at ``address``; ``asked`` has the paths that were asked for."""


@pytest.fixture
def server(held):
    served = Served({"/zoo.h5": held})
    served.asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            served.asked.append(self.path)
            body = served.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        served.address = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield served
        running.shutdown()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def kept(folder):
    return sorted(path.name for path in (folder / "fetched").glob("*") if path.suffix != ".lock")


def test_a_zoo_is_fetched_once_and_is_a_file_then(tmp_path, server, held, monkeypatch):
    monkeypatch.setenv("NCA_ZOO_DATA", str(tmp_path))
    address = f"{server.address}/zoo.h5#sha256={sha(held)}"
    assert nz.open(address).id.tolist() == ["0-000", "1-000", "2-000"]
    for words in (["info", address, "1-000"], ["info", "1-000", "--zoo", address]):
        run = CliRunner().invoke(group, words)
        assert run.exit_code == 0, run.output
    assert server.asked == ["/zoo.h5"]
    assert kept(tmp_path) == [f"zoo-{sha(held)[:12]}.h5"]
    assert (tmp_path / "fetched" / kept(tmp_path)[0]).read_bytes() == held


def test_the_digest_may_lie_beside_the_file(tmp_path, server, held):
    server["/zoo.h5.sha256"] = f"{sha(held)}  zoo.h5\n".encode()
    place = fetched(f"{server.address}/zoo.h5", tmp_path)
    assert place.read_bytes() == held
    server.clear()
    assert fetched(f"{server.address}/zoo.h5", tmp_path) == place


@pytest.mark.wide
def test_an_address_of_the_hub(tmp_path, server, held, monkeypatch):
    monkeypatch.setattr(fetching, "HUB", server.address)
    server["/datasets/me/zoos/resolve/main/a/zoo.h5"] = held
    server["/datasets/me/zoos/resolve/v2/zoo.h5"] = held
    for path in ("zoos/a/zoo.h5", "zoos@v2/zoo.h5"):
        address = f"hf://datasets/me/{path}#sha256={sha(held)}"
        place = fetched(address, tmp_path / path.replace("/", "-"))
        assert place.read_bytes() == held
    assert len(server.asked) == 2


@pytest.mark.wide
def test_what_is_not_what_it_says_is_not_kept(tmp_path, server, held):
    broken = bytearray(held)
    broken[len(held) // 2] ^= 255
    server["/broken.h5"] = bytes(broken)
    server["/text.h5"] = b"no zoo at all"
    server["/bad.h5"] = held
    server["/bad.h5.sha256"] = b"<html>not found</html>"
    other = "0" * 64
    for path, digest, says in (
        ("zoo.h5", other, "another digest than 000000000000..., and is not kept"),
        ("broken.h5", sha(bytes(broken)), "is no whole zoo, and not kept: "),
        ("text.h5", sha(b"no zoo at all"), "is no whole zoo, and not kept: "),
        ("zoo.h5", None, "nothing says what its digest is; write #sha256="),
        ("bad.h5", None, "bad.h5.sha256: holds no digest"),
        ("gone.h5", other, "the server says 404"),
    ):
        mark = f"#sha256={digest}" if digest else ""
        with pytest.raises(ZooError, match=r"^\S+: ") as raised:
            fetched(f"{server.address}/{path}{mark}", tmp_path)
        assert says in str(raised.value)
        assert "\n" not in str(raised.value)
        assert kept(tmp_path) == []


@pytest.mark.parametrize(("address", "says"), [
    ("http://example.org/zoo.h5", "use https://"),
    ("https://example.org/zoo.h5#md5=1", "64 digits of 0-9, a-f"),
    ("https://example.org/zoo.zip", "must end in .h5"),
    ("hf://datasets/zoo.h5", "write hf://datasets/OWNER/NAME/ZOO.h5"),
    (f"http://127.0.0.1:9/zoo.h5#sha256={'0' * 64}", "cannot be fetched (ConnectionError)"),
])  # fmt: skip
def test_addresses_that_will_not_do(tmp_path, address, says):
    run = CliRunner().invoke(group, ["info", "--zoo", address], env={"NCA_ZOO_DATA": str(tmp_path)})
    assert run.exit_code == 1
    assert says in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_completion_fetches_nothing(server, held, tmp_path):
    address = f"{server.address}/zoo.h5"
    asked = {"COMP_WORDS": f"nca-zoo show {address} 1", "COMP_CWORD": "3"}
    asked |= {"_NCA_ZOO_COMPLETE": "bash_complete", "NCA_ZOO_DATA": str(tmp_path)}
    CliRunner().invoke(group, env=asked, prog_name="nca-zoo")
    assert server.asked == []


def test_files_are_no_addresses():
    assert not any(map(is_address, ("zoo.h5", "a:/zoo.h5", "/https://zoo.h5", None)))
