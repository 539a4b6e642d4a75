"""The report in a real browser: Chromium, where it is installed, without a window and without the network."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import bench_folders as folders
import pytest

from engine.report import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PHONE, DESKTOP = 390, 1280
#: Measures the page it is put into, and leaves what it found in the outermost document, for --dump-dom.
PROBE = """<script>addEventListener("load", () => {
  const root = document.documentElement, wide = [], links = [...document.links];
  for (const e of document.body.querySelectorAll("*")) {
    const box = e.getBoundingClientRect();
    if (box.width && box.right > root.clientWidth + 1 && !e.closest(".scroll, pre"))
      wide.push(e.outerHTML.slice(0, 80));
  }
  const cut = [...document.querySelectorAll(".sketch text, .sign, h1, h2, h3, nav a, .matrix tbody th")].filter(e =>
    e.scrollWidth > e.clientWidth + 1 && e.clientWidth).map(e => e.outerHTML.slice(0, 80));
  const found = top.document.createElement("pre");
  found.id = "probe";
  found.textContent = JSON.stringify({
    width: innerWidth, scroll: root.scrollWidth, wide: wide.slice(0, 5), cut: cut.slice(0, 5),
    images: document.images.length, broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
    links: links.length, dead: links.filter(a => !document.getElementById(a.hash.slice(1))).length,
    loaded: performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).map(e => e.name),
    errors: top.errors, text: document.body.innerText.length});
  top.document.body.append(found);
});</script>"""
LISTEN = "<head><script>top.errors = []; onerror = what => top.errors.push(String(what));</script>"
BAD = """<p style="width: 2000px">far too wide</p><a href="#nowhere">dead</a><img src="data:image/png;base64,AAAA">
<img src="http://example.invalid/a.png"><h2 style="width: 9px; overflow: hidden">unreadable</h2>
<script>nonsense()</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip(f"no Chromium here: none of {', '.join(NAMES)} is on the path")
    return found


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory) -> Path:
    """The benchmark's report, with an instance whose names are long and strange."""
    rows = folders.benchmark()
    odd = rows[0] | {
        "network": "<b>" + "a_very_long_name_without_any_space" * 4 + ".onnx",
        "property": "p" * 90,
        "verdict": "error",
        "error": "what went wrong, " * 12,
    }
    return write_report(folders.write(tmp_path_factory.mktemp("report") / "out", [*rows, odd], repairs=3))


def run(browser: str, *options: str, folder: Path) -> str:
    """Chromium's standard output. It has no network: whatever the page asked for would fail."""
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-extensions",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=100, check=True).stdout


def measure(browser: str, page: Path, width: int, folder: Path) -> dict:
    """What the probe found in the page in a frame of this width: windows are never narrower than 500 pixels."""
    text = page.read_text(encoding="utf-8").replace("<head>", LISTEN).replace("</body>", f"{PROBE}</body>")
    outer = folder / f"frame{width}.html"
    outer.write_text(
        f'<!doctype html><iframe width="{width}" height="800" style="border: 0" srcdoc="{html.escape(text)}"></iframe>',
        encoding="utf-8",
    )
    content = run(browser, "--window-size=1400,900", "--dump-dom", outer.as_uri(), folder=folder)
    return json.loads(html.unescape(re.search(r'<pre id="probe">(.*?)</pre>', content, re.S)[1]))


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_fits_the_width(browser, page, tmp_path, width):
    found = measure(browser, page, width, tmp_path)
    assert found["width"] == width
    assert found["scroll"] <= width and found["wide"] == [] and found["cut"] == []
    assert found["images"] >= 3 and found["broken"] == 0
    assert found["links"] > 250 and found["dead"] == 0
    assert found["errors"] == [] and found["loaded"] == []
    assert found["text"] > 20_000


def test_the_measurement_sees_what_is_wrong(browser, page, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(page.read_text(encoding="utf-8").replace("</main>", f"{BAD}</main>"), encoding="utf-8")
    found = measure(browser, bad, PHONE, tmp_path)
    assert found["scroll"] > PHONE and "far too wide" in found["wide"][0] and "unreadable" in found["cut"][0]
    assert (found["broken"], found["dead"], len(found["errors"]), len(found["loaded"])) == (2, 1, 1, 1)


def test_the_page_on_paper(browser, page, tmp_path):
    """All sections are in the PDF, which has a plausible number of pages."""
    paper = tmp_path / "report.pdf"
    run(browser, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri(), folder=tmp_path)
    data = paper.read_bytes()
    assert data.startswith(b"%PDF") and len(data) > 50_000
    assert 8 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", data)) <= 60


@pytest.mark.parametrize("width", [500, DESKTOP])
def test_the_page_is_drawn(browser, page, tmp_path, width):
    Image = pytest.importorskip("PIL.Image")
    picture = tmp_path / "page.png"
    run(browser, f"--window-size={width},2400", f"--screenshot={picture}", page.as_uri(), folder=tmp_path)
    shown = Image.open(picture).convert("RGB")
    colours = {colour for count, colour in shown.getcolors(1 << 24) if count > 500}
    assert shown.width == width and {(0x00, 0x72, 0xB2), (0xF0, 0xB0, 0x30), (255, 255, 255)} <= colours
