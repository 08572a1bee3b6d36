"""From a drawing on the page to a digit that grows, and to 25 dB: in a real browser.

    python benchmarks/drawing.py [--zoo data/zoo.h5] [--out benchmarks/results/drawing.md]

Digits that the writer has not seen take the place of what a hand draws. Each is written and learns
in the page's worker, while the page shows another NCA at speed 1x, until it has 25 dB in the
rollout that people see, at step 96 and at step 400.
"""

import shutil
import threading
from pathlib import Path

import click
from playwright.sync_api import Page, sync_playwright
from report import Report, out_option, spread, tell

from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.explorer.server import ExhibitServer
from nca_zoo.pictures.sources import Picture, load_pictures
from nca_zoo.store.zoofile import open_zoo

UNSEEN = 300  # so many come before them in each class, of which the writer has seen some
ENOUGH = 25.0  # dB
PATIENCE_MS = 120_000

# Milliseconds from the end of a stroke to the first step that is drawn of what was drawn.
AT_ONCE = """() => new Promise((resolve) => {
    const paper = document.querySelector("#paper");
    const send = (kind, x, y) => {
        const { left, top, width } = paper.getBoundingClientRect();
        const at = { clientX: left + (x * width) / 28, clientY: top + (y * width) / 28 };
        paper.dispatchEvent(new PointerEvent(kind, { ...at, button: 0, pointerId: 1 }));
    };
    paper.setPointerCapture = () => null;
    paper.hasPointerCapture = () => true;
    send("pointerdown", 8, 7);
    for (let i = 0; i <= 12; i++) send("pointermove", 8 + i, 7 + (i % 3));
    const began = performance.now();
    send("pointerup", 20, 7);
    const look = () => {
        const grows = Number(document.querySelector("#step").textContent) > 0;
        if (grows) requestAnimationFrame(() => resolve(performance.now() - began));
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""

# What is written for a digit has, and seconds and training steps until it has enough.
LEARN = """async ([ink, enough, patience]) => {
    const [{ Drawing }, { Writer }, { School }, { loadZoo }] = await Promise.all(
        ["drawing", "writing", "school", "source"].map((name) => import(`explore/${name}.js`)));
    globalThis.zoo ??= await loadZoo();
    globalThis.writer ??= new Writer(zoo.pad, await zoo.padData(), zoo);
    globalThis.script ??= await zoo.worker();
    const drawing = new Drawing(zoo.height, zoo.width);
    drawing.ink.set(ink);
    const regime = { ...zoo.pad.regime, stops: enough };
    return new Promise((resolve) => {
        let once = null;
        const school = new School(script, zoo, regime, ({ step, seconds, dB, done }) => {
            if (dB[0] >= enough) once ??= [step, seconds];
            if ((dB.length > 1 && Math.min(...dB) >= enough) || done || seconds > patience) {
                school.enrol({});
                resolve({ once, both: seconds > patience ? null : [step, seconds] });
            }
        });
        const { target, seed } = drawing;
        school.enrol({ weights: writer.write(writer.find(drawing)), target, seed });
        school.go(true);
    });
}"""


def digits(per_class: int) -> list[Picture]:
    """Digits that come late in each class."""
    _, pictures = load_pictures("digits", per_class=UNSEEN + per_class, data_dir=Path("data"))
    return [picture for picture in pictures if int(picture.id.split("-")[1]) >= UNSEEN]


def opened(page: Page, url: str) -> None:
    """The page with its pad ready."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.wait_for_selector("body.ready")
    page.click("#draw")
    while "Draw a digit" not in page.inner_text("#padSays"):
        page.wait_for_timeout(100)


@click.command()
@click.option("--zoo", type=click.Path(path_type=Path, exists=True), default="data/zoo.h5")
@click.option("--per-class", default=2, show_default=True, help="Digits of each class.")
@click.option("--strokes", default=10, show_default=True, help="Strokes whose answer is timed.")
@click.option("--patience", default=120, show_default=True, help="Seconds for a digit, at most.")
@out_option
def main(zoo: Path, per_class: int, strokes: int, patience: int, out: Path | None) -> None:
    """Time drawings on the page of a zoo, and print a table."""
    report = Report("Drawing on the page", out, ["playwright"])
    exhibit = make_exhibit(open_zoo(zoo), ["pixels"])
    tell("laying out the map, so that nothing else is computed meanwhile")
    exhibit.charts[0].final()
    if not exhibit.pad:
        raise SystemExit(f"{zoo}: its page has no drawing pad; take a zoo of the default command")
    found = {}
    with ExhibitServer(exhibit) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        opened(page, server.url)
        answers = [page.evaluate(AT_ONCE) for _ in range(strokes)]
        page.click("#random")
        for digit in digits(per_class):
            args = [digit.pixels.ravel().tolist(), ENOUGH, patience]
            found[digit.id] = page.evaluate(LEARN, args)
            tell(f"{digit.id}: {found[digit.id]}")
        browser.close()
        server.shutdown()
    report.say(
        f"{strokes} strokes, {len(found)} digits that the writer has not seen; Chromium, headless, "
        "without a graphics card; the page plays at 1x. Median (5th to 95th percentile)."
    )
    rows = [["from the end of a stroke to what grows, ms", spread(answers, 0), "", ""]]
    for title, key in (("at step 96, s", "once"), ("at steps 96 and 400, s", "both")):
        reached = [one[key] for one in found.values() if one[key]]
        within = sum(seconds <= 20 for _, seconds in reached)
        steps, seconds = [one[0] for one in reached], [one[1] for one in reached]
        cells = [spread(seconds, 1), spread(steps, 0), f"{within} of {len(found)}"]
        rows.append([f"to {ENOUGH:g} dB {title}", *cells])
    report.table(["", "", "training steps", "within 20 s"], rows)
    report.finish()


if __name__ == "__main__":
    main()
