"""What the explorer sends, and to whom: the served files, the single file, the map's places."""

import http.client
import json
import re
import socket
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest
from browsing import served
from click.testing import CliRunner
from rows import header, record

from nca_zoo.errors import ZooError
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.explorer.page import safe_json, standalone_page, web_files
from nca_zoo.explorer.server import ExhibitServer
from nca_zoo.store.sampling import sample_rows
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

NASTY = "a<script>alert(1)<&'\".h5"  # a file's name is a person's to choose


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / NASTY
    with ZooWriter(path, header()) as writer:
        failed = {"status": "diverged", "psnr_400": np.float32("nan")}
        writer.add([record(number, **(failed if number == 4 else {})) for number in range(7)])
    return open_zoo(path)


@pytest.fixture(scope="module")
def exhibit(zoo):
    return make_exhibit(zoo)


@pytest.fixture(scope="module")
def server(exhibit):
    with ExhibitServer(exhibit) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def secret(server):
    """What stands before every path of the page."""
    return urlsplit(server.url).path.rstrip("/")


def get(server, path, host=None, method="GET"):
    """Status, headers and body of a request for a path behind the secret, sent as it stands."""
    path = secret(server) + path if path.startswith("/") else path
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_it_serves_the_page_its_files_and_the_weights(server, zoo):
    for path in ("/", *(f"/{name}" for name in web_files())):
        status, headers, body = get(server, path)
        assert status == 200
        assert len(body) > 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    about = json.loads(get(server, "/about.json")[2])
    assert about["columns"][0]["values"] == zoo.id.tolist()
    assert get(server, "/targets")[2] == zoo.target.tobytes()
    assert about["maps"] == ["weights", "pixels"]
    for stage in ("first", "final"):
        laid_out = json.loads(get(server, f"/map/1/{stage}")[2])
        assert np.array(laid_out["points"]).shape == (7, 2)
    weights = np.frombuffer(get(server, "/weights/3")[2], "<f4")
    assert np.array_equal(weights, zoo.weights[3])


@pytest.mark.parametrize("path", [
    "/../places.py", "/..%2fplaces.py", "//etc/passwd", "/etc/passwd", "/page.html", "/weights/7",
    "/weights/-1", "/weights/1/", "/weights/", "/weights/1%00", "/main.js?x",
    "/map/2/first", "/map/0/", "/map/0/second", "/map/-1/first", "/map/0/first/",
    "http://127.0.0.1/", "*", "/pad",  # this zoo has none
])  # fmt: skip
def test_it_serves_nothing_else(server, path):
    assert get(server, path)[0] == 404


@pytest.mark.parametrize("host", [
    "", "evil.example", "evil.example:80", "0.0.0.0", "127.0.0.1.evil.example", "localhost:x",
    "::1", "evil-localhost", "localhost:80@evil.example",
])  # fmt: skip
def test_it_refuses_those_who_call_it_by_another_name(server, host):
    assert get(server, "/", host)[0] == 403
    assert get(server, "/weights/0", host)[0] == 403


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "LOCALHOST", "[::1]",  # port 80, which browsers leave out
    "localhost:9000", "127.0.0.1:1", "[::1]:9000",  # another one, forwarded by ssh -L
])  # fmt: skip
def test_any_port_of_this_machines_names_is_its_own(server, host):
    assert get(server, "/", host)[0] == 200


@pytest.mark.parametrize("path", ["/", "/about.json", "/weights/0", "/x/"])
def test_who_was_not_told_the_address_sees_nothing(server, exhibit, path):
    here = f"127.0.0.1:{server.server_port}"
    for before in ("", "/" + "a" * 22, secret(server)[:-1], secret(server).swapcase()):
        lines = [f"GET {before}{path} HTTP/1.1", f"Host: {here}", "", ""]
        assert ask(server, "\r\n".join(lines).encode()) in (400, 404)
    with ExhibitServer(exhibit) as other:
        assert secret(other) != secret(server)


def ask(server, request):
    """What comes back for bytes sent as they are: the status, or None if it just hangs up."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as connection:
        connection.sendall(request)
        answer = connection.recv(1 << 16)
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else None


@pytest.mark.parametrize(
    ("request_line", "hosts", "status"),
    [
        ("GET / HTTP/1.1", ["HERE"], 200),
        ("GET / HTTP/1.0", [], 403),
        ("GET / HTTP/1.1", ["HERE", "evil.example"], 403),
        ("GET / HTTP/1.1", ["evil.example", "HERE"], 403),
        ("GET / HTTP/1.1", ["HERE.evil.example"], 403),
        ("GET / HTTP/1.1", ["evil@HERE"], 403),
        ("GET / HTTP/1.1", ["HERE, evil.example"], 403),
        ("GET http://evil.example/ HTTP/1.1", ["HERE"], 404),
        ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", ["HERE"], 404),
        ("GET /..\\..\\secret HTTP/1.1", ["HERE"], 404),
        ("GET /weights/00000000000000000001 HTTP/1.1", ["HERE"], 404),
        ("GET /weights/٣ HTTP/1.1", ["HERE"], 404),
        ("GET /main.js%00.html HTTP/1.1", ["HERE"], 404),
        ("GET /" + "a" * 70_000 + " HTTP/1.1", ["HERE"], 414),
        ("HEAD / HTTP/1.1", ["HERE"], 501),
        ("CONNECT evil.example:443 HTTP/1.1", ["HERE"], 501),
    ],
)
def test_requests_that_no_browser_sends(server, request_line, hosts, status):
    here = f"127.0.0.1:{server.server_port}"
    line = request_line.replace(" /", f" {secret(server)}/", 1)
    lines = [line, *(f"Host: {host.replace('HERE', here)}" for host in hosts), "", ""]
    assert ask(server, "\r\n".join(lines).encode()) == status
    assert get(server, "/")[0] == 200  # and it is still there


def test_nothing_in_the_page_can_turn_text_into_markup():
    for name, text in web_files().items():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text
        ), name


def test_sources_and_labels_never_become_markup(tmp_path):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    about = replace(header(), source=evil, licence=evil)
    with ZooWriter(tmp_path / "zoo.h5", about) as writer:
        writer.add([record(number) for number in range(3)])
    exhibit = make_exhibit(open_zoo(tmp_path / "zoo.h5"))
    page = standalone_page(exhibit)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    held = re.search(r'id="data-about">(.*?)</script>', page, re.DOTALL)
    assert json.loads(held[1])["source"] == evil  # still said, as text


def test_a_map_that_this_zoo_cannot_have_is_answered_with_why(tmp_path):
    unstarted = replace(header(), init_weights=np.zeros(0, np.float32))
    with ZooWriter(tmp_path / "zoo.h5", unstarted) as writer:
        writer.add([record(number) for number in range(3)])
    exhibit = make_exhibit(open_zoo(tmp_path / "zoo.h5"), ["pixels", "delta"])
    with served(exhibit) as serving:
        assert get(serving, "/map/0/final")[0] == 200
        status, headers, body = get(serving, "/map/1/first")
    assert (status, headers["Content-Type"]) == (422, "text/plain")
    assert b"delta" in body


def test_localhost_is_one_of_its_names_and_only_get_is_understood(server):
    assert get(server, "/", f"localhost:{server.server_port}")[0] == 200
    assert get(server, "/", method="POST")[0] == 501


def test_it_listens_to_this_machine_alone_and_says_when_a_port_is_taken(server, exhibit):
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(ZooError, match="another --port"):
        ExhibitServer(exhibit, server.server_port)


def test_names_never_become_markup(server, exhibit):
    for page in (get(server, "/")[2].decode(), standalone_page(exhibit)):
        assert "<script>alert" not in page
        assert "a&lt;script&gt;alert(1)" in page


def test_the_one_file_holds_everything_and_points_nowhere(exhibit, zoo):
    page = standalone_page(exhibit)
    assert not re.search(r"src=\"|<link[^>]* href=\"(?!data:)", page)
    places = re.findall(r"<a href=\"([^\"]+)\"", page)  # where a person may go, and the page not
    assert places == ["https://distill.pub/2020/growing-ca/"]
    about = re.search(r'id="data-about">(.*?)</script>', page, re.DOTALL)
    assert json.loads(about[1]) == json.loads(json.dumps(exhibit.about))


def test_json_cannot_end_its_script():
    value = {"</script>": "<!-- & \u2028 é"}
    text = safe_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028") & set(text)


def test_what_is_not_finite_and_what_is_too_long_for_a_number(exhibit, zoo):
    columns = {column["name"]: column for column in exhibit.about["columns"]}
    assert columns["psnr_400"]["values"][4] is None
    assert columns["rng_seed"]["values"] == [str(seed) for seed in zoo.rng_seed]
    assert not columns["rng_seed"]["number"]


def test_a_sample_is_even_over_classes_and_always_the_same():
    labels = np.repeat([0, 1, 2], [50, 5, 45])
    rows = sample_rows(labels, 18)
    assert sorted(np.bincount(labels[rows])) == [5, 6, 7]
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(rows, sample_rows(labels, 18))
    assert np.array_equal(sample_rows(labels, 1000), np.arange(100))


def test_the_command_writes_one_file_and_says_when_it_samples(zoo, tmp_path, monkeypatch):
    out = tmp_path / "zoo.html"
    run = ["explore", "--zoo", str(zoo.path), "--html", str(out), "--features", "pixels"]
    result = CliRunner().invoke(group, run)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{out}\n", "")
    monkeypatch.setattr("nca_zoo.explorer.page.MOST_IN_A_FILE", 3)
    result = CliRunner().invoke(group, run)
    assert result.exit_code == 0
    assert "3 of the 7 NCAs" in result.stderr
    about = json.loads(re.search(r'id="data-about">(.*?)</script>', out.read_text())[1])
    assert (about["total"], len(about["columns"][0]["values"])) == (7, 3)
    assert about["maps"] == ["pixels"]
    (laid_out,) = json.loads(re.search(r'id="data-maps">(.*?)</script>', out.read_text())[1])
    assert len(laid_out["points"]) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--features", "smell"], "no feature 'smell'"),
        (["--features", ","], "names nothing"),
        (["--html", "no/such/folder.html"], "cannot be written"),
        (["--zoo", "missing.h5"], "no such file"),
    ],
)
def test_bad_input_is_one_clear_line(zoo, arguments, says):
    result = CliRunner().invoke(group, ["explore", "--zoo", str(zoo.path), *arguments])
    assert result.exit_code == 1
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_command_serves_and_opens_the_browser(zoo, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(ExhibitServer, "serve_forever", lambda server: None)
    run = ["explore", "--zoo", str(zoo.path)]
    first = CliRunner().invoke(group, run)
    assert first.exit_code == 0, first.output
    assert opened[0] in first.stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    second = CliRunner().invoke(group, [*run, "--no-browser", "--port", str(port)])
    assert f"7 NCAs at http://127.0.0.1:{port}/" in second.stdout
    assert len(opened) == 1
