"""The page put together: as files to serve, or as one file that needs nothing else.

The modules import each other by the name ``explore/NAME.js``. An import map says where that is:
beside the page when it is served, inside it when it stands alone. Nothing is bundled or rewritten,
but for what runs in a worker: import maps do not reach there.
"""

import base64
import hashlib
import html
import json
import re
from importlib import resources
from typing import Any

import numpy as np

from nca_zoo.explorer.exhibit import Exhibit

MOST_IN_A_FILE = 1000  # NCAs; their weights alone are 44 MB of text
TYPES = {"js": "text/javascript", "css": "text/css"}
WORKER = "worker.js"  # where a drawing learns

_IMPORTS = '<script type="importmap">{}</script>'
_DATA = '<script type="text/plain" id="data-{}">{}</script>'
_ENTRY = '<script type="module">import "explore/main.js";</script>'
_IMPORT = re.compile(r'^import \{[^}]*\} from "explore/([\w.]+)";\n', re.MULTILINE)


def web_files() -> dict[str, str]:
    """The page's own files by name, without the template."""
    folder = resources.files(__package__) / "web"
    return {
        entry.name: entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.rpartition(".")[2] in TYPES
    }


def worker_source(files: dict[str, str]) -> str:
    """What runs in the worker, as one script: its modules, each after those that it imports."""
    told: dict[str, str] = {}

    def tell(name: str) -> None:
        if name in told:
            return
        for other in _IMPORT.findall(files[name]):
            tell(other)
        told[name] = re.sub(r"^export ", "", _IMPORT.sub("", files[name]), flags=re.MULTILINE)

    tell(WORKER)
    return "\n".join(['"use strict";', *told.values()])


def safe_json(value: Any) -> str:
    """JSON that may stand inside a ``<script>``: nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def policy(scripts: str, styles: str, connect: str) -> str:
    """A Content-Security-Policy under which the page can reach nothing but itself."""
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; connect-src {connect}; "
        "worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'"
    )


def served_page(name: str) -> tuple[str, str]:
    """The page that fetches its parts, and its Content-Security-Policy."""
    imports = safe_json({"imports": {"explore/": "./"}})
    inline = [imports, 'import "explore/main.js";']
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in inline]
    hashes = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    page = _fill(
        title=html.escape(name),
        head='<link rel="stylesheet" href="style.css">' + _IMPORTS.format(imports),
        tail=_ENTRY,
    )
    return page, policy(f"'self' {hashes}", "'self'", "'self'")


def standalone_page(exhibit: Exhibit) -> str:
    """The whole exhibit as one HTML file that works from disk, without any network."""
    files = web_files()
    modules = {
        f"explore/{name}": f"data:text/javascript;base64,{_base64(text.encode())}"
        for name, text in files.items()
        if name.endswith(".js")
    }
    rule = html.escape(policy("'unsafe-inline' data:", "'unsafe-inline'", "'none'"))
    head = [
        f'<meta http-equiv="Content-Security-Policy" content="{rule}">',
        f"<style>{files['style.css']}</style>",
        _IMPORTS.format(safe_json({"imports": modules})),
    ]
    data = {
        "about": safe_json(exhibit.about),
        "maps": safe_json([chart.final() for chart in exhibit.charts]),
        "targets": _base64(exhibit.targets),
        "weights": _base64(np.ascontiguousarray(exhibit.weights, "<f4").tobytes()),
    }
    if exhibit.films is not None:
        data |= {"films": _base64(exhibit.films.tobytes())}
    if exhibit.pad:
        data |= {"pad": _base64(exhibit.pad.data), "worker": safe_json(worker_source(files))}
    tail = [_DATA.format(key, text) for key, text in data.items()]
    return _fill(html.escape(exhibit.about["name"]), "\n".join(head), "\n".join([*tail, _ENTRY]))


def _fill(title: str, head: str, tail: str) -> str:
    page = (resources.files(__package__) / "web" / "page.html").read_text("utf-8")
    before, rest = page.split("<!-- head -->")
    middle, after = rest.split("<!-- tail -->")
    return before.replace("TITLE", title) + head + middle + tail + after


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
