"""How long `nca-zoo explore` lets a person wait: for its page, and for the first map on it.

    python benchmarks/first_page.py --zoo data/zoo.h5 [--sizes 20,500,5000] [--browser]
                                    [--out benchmarks/results/first_page.md]

Every start is a process of its own, as when a person types the command, and is asked for what a
browser asks for: the page, what it tells of the zoo, the pictures, the map that can be had at once.
"Kept" is a start that finds UMAP's places beside the zoo, as every one does but the first. Of a
size below that of the zoo the NCAs are a sample; above it they are the zoo's again and again, with
noise on their weights. With --browser a Chromium that is already open loads the page as well, and
the clock stops when the map is drawn.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import h5py
import numpy as np
from report import Report, out_option, tell

from nca_zoo.explorer.chart import Chart
from nca_zoo.store.sampling import sample_rows
from nca_zoo.store.zoofile import open_zoo

EXPLORE = (sys.executable, "-c", "from nca_zoo_cli.main import main; main()", "explore")
NOISE = 1e-2  # of a repeated NCA's weights: enough to tell it from the one it repeats
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Waits:
    """Seconds of the starts of one zoo, from the command on."""

    address: list[float] = field(default_factory=list)  # until it is printed
    page: list[float] = field(default_factory=list)  # until it is here
    chart: list[float] = field(default_factory=list)  # until all is here that the map is drawn from
    cpu: list[float] = field(default_factory=list)  # of the server, until then
    drawn: list[float] = field(default_factory=list)  # in a browser, of starts of their own
    method: str = ""  # how the map was laid out

    def start(self, zoo: Path) -> None:
        """Start once, and ask as a browser does."""
        before = os.times()
        began = time.perf_counter()
        with exploring(zoo) as url:
            self.address.append(time.perf_counter() - began)
            fetch(url)
            self.page.append(time.perf_counter() - began)
            for part in ("style.css", "main.js", "about.json", "targets"):
                fetch(url + part)
            self.method = json.loads(fetch(f"{url}map/0/first"))["method"]
            self.chart.append(time.perf_counter() - began)
        after = os.times()
        self.cpu.append(sum(after[2:4]) - sum(before[2:4]))  # children, user and system

    def show(self, zoo: Path, browser: Any) -> None:
        """Start once, and load the page in a browser until its map is drawn."""
        began = time.perf_counter()
        with exploring(zoo) as url:
            page = browser.new_page()
            page.goto(url)
            page.wait_for_selector("#neighbours button")  # they come with the map
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
            self.drawn.append(time.perf_counter() - began)
            page.close()

    def cells(self) -> list[str]:
        """Cells of a row of the table."""
        waits = (self.address, self.page, self.chart, *([self.drawn] if self.drawn else []))
        return [self.method, *(f"{min(w):.2f} ({np.median(w):.2f})" for w in (*waits, self.cpu))]


@contextmanager
def exploring(zoo: Path) -> Iterator[str]:
    """`nca-zoo explore` of a zoo, and the address that it prints."""
    command = [*EXPLORE, str(zoo), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            if not line:
                raise SystemExit("nca-zoo explore ended before it printed an address")
            yield next(word for word in line.split() if word.startswith("http://"))
        finally:
            server.terminate()


def fetch(url: str) -> bytes:
    with urlopen(url) as answer:
        content: bytes = answer.read()
    return content


def of_size(zoo: Path, size: int, out: Path) -> None:
    """Write ``size`` NCAs of a zoo, or made of them, to a file of their own."""
    whole = open_zoo(zoo)
    if size <= len(whole):
        whole.subset(sample_rows(whole.label, size)).save(out)
        return
    whole.subset(np.arange(size) % len(whole)).save(out)
    rng = np.random.default_rng(0)
    with h5py.File(out, "r+") as file:
        weights = file["weights"][...]
        noise = rng.standard_normal(weights.shape, dtype=np.float32)
        weights[len(whole) :] += NOISE * noise[len(whole) :]
        file["weights"][...] = weights
        file["weights_sha256"][...] = [sha256(row).hexdigest().encode() for row in weights]
        file["id"][...] = [f"n-{row:06d}".encode() for row in range(size)]


@contextmanager
def chromium(wanted: bool) -> Iterator[Any]:
    """A browser that is open, or None."""
    if not wanted:
        yield None
        return
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise click.ClickException("--browser: no Chromium on this machine; install it")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        opened = playwright.chromium.launch(executable_path=path, args=arguments)
        yield opened
        opened.close()


@click.command()
@click.option("--zoo", type=click.Path(path_type=Path, exists=True), default="data/zoo.h5")
@click.option("--sizes", default="20,500,5000", show_default=True, help="Numbers of NCAs.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--browser", is_flag=True, help="Load the page in Chromium, too.")
@out_option
def main(zoo: Path, sizes: str, repeats: int, browser: bool, out: Path | None) -> None:
    """Start the page of zoos of several sizes, and print a table."""
    report = Report("The first page", out)
    rows = []
    with tempfile.TemporaryDirectory() as name, chromium(browser) as window:
        for size in map(int, sizes.split(",")):
            own = Path(name) / f"{size}.h5"
            of_size(zoo, size, own)
            first = timed(own, repeats, window)
            rows.append([f"{size}", *first.cells()])
            Chart(open_zoo(own), "weights").final()  # what the first visit leaves beside the zoo
            if own.with_name(f"{own.name}.layouts").exists():
                rows.append([f"{size}, kept", *timed(own, repeats, window).cells()])
    drawn = ["map drawn"] if browser else []
    report.say(f"Least (median) of {repeats} starts, in seconds from the command on.")
    report.table(["NCAs", "map by", "address", "page", "map here", *drawn, "CPU to the map"], rows)
    report.finish()


def timed(zoo: Path, repeats: int, window: Any) -> Waits:
    """Start so many times."""
    waits = Waits()
    for _ in range(repeats):
        waits.start(zoo)
        if window:
            layouts = zoo.with_name(f"{zoo.name}.layouts")
            kept = layouts.exists()
            waits.show(zoo, window)
            if not kept:  # the page asks for UMAP's map at once; this start shall not keep it
                shutil.rmtree(layouts, ignore_errors=True)
    tell(f"{zoo.stem}, by {waits.method}: page {min(waits.page):.2f} s, map {min(waits.chart):.2f}")
    return waits


if __name__ == "__main__":
    main()
