"""`acasxu report`: what is on the page, whatever lies in the folder."""

import json
import random
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from math import isclose, log10

import bench_folders as folders
import pytest
from bench_runs import Here
from command_line import one_line

from engine.acasxu.encounter import Encounter
from engine.acasxu.networks import NETWORKS
from engine.acasxu.properties import PROPERTIES, benchmark_instances
from engine.cli import main
from engine.errors import InputError
from engine.report import write_report
from engine.report.page import PICTURES
from engine.report.pictures import small_picture
from engine.report.plots import _histogram
from engine.report.public import public_tools
from engine.report.rendering import markdown
from engine.report.rows import NumberedRow
from engine.report.sketch import HEIGHT, WIDTH, scene, sketch

MOST = 5_000_000  # bytes of a page


class Page(HTMLParser):
    """Ids, links, what is loaded, text, and the tables' cells by class."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.loaded, self.tags, self.words, self.tables = [], [], [], [], [], []
        self.feed(text)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.loaded += [values["src"]] if "src" in values else []
        assert not [name for name in values if name.startswith("on")], values
        if tag == "table":
            self.tables.append((values.get("class", ""), []))
        if tag == "tr" and self.tables:
            self.tables[-1][1].append(0)
        if tag == "td" and self.tables:
            self.tables[-1][1][-1] += 1

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words.append(data)


def page_of(folder) -> Page:
    """The page, written now; what holds of every page is checked."""
    path = write_report(folder)
    data = path.read_bytes()
    page = Page(data.decode("utf-8"))
    assert len(data) < MOST
    assert len(set(page.ids)) == len(page.ids)
    assert {link for link in page.links if link[1:] not in page.ids} == set()
    assert all(source.startswith("data:image/") for source in page.loaded)
    assert not {"script", "iframe", "object", "form", "link"} & set(page.tags)
    assert "url(" not in data.decode("utf-8") and "@import" not in data.decode("utf-8")
    json.loads((folder / "results.json").read_text(encoding="ascii"), parse_constant=lambda name: pytest.fail(name))
    return page


def matrix(page: Page) -> list[int]:
    """Numbers of cells of the 45 networks' rows."""
    (rows,) = [rows for name, rows in page.tables if name == "matrix"]
    return rows[1:46]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The benchmark's folder with everything, and its page with plots; nothing in it is changed."""
    rows = folders.benchmark()
    folder = folders.write(tmp_path_factory.mktemp("whole") / "out", rows, repairs=3)
    folders.certify(folder, next(each for each in rows if each["verdict"] == "sat"))
    return folder, page_of(folder)


@pytest.fixture
def whole(written, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(written[0], tmp_path / "out")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A few instances, one violated and repaired, and no matplotlib: quickly written."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    rows = [folders.row(network, PROPERTIES[1]) for network in NETWORKS[:2]]
    return folders.write(tmp_path / "out", rows, repairs=1)


# The page


def test_the_benchmark(written):
    _, page = written
    assert matrix(page) == [10] * 45
    assert page.tags.count("svg") == 47  # an encounter each
    for text in (
        "holds (unsat) 139",
        "violated (sat) 47, 11 of them where the property is not meant to apply",
        "N(3,3)",
        "P10",
        "21.8 s in 2 sessions",
        "a processor, 2 cores, 24.0 GiB, Linux",
        "0123456789ab",
        "strong right",
        "lowest: the advisory",
        "58,353.8 ft",
        "1,172.5 ft/s",
        "alpha-beta-CROWN",
        "186 of 186",
        "neuron 38 of layer 6 rewritten",
        "99.999950%",
        "24,300,000",
        "186 of 186 checked",
        "acasxu check out/certificates",
        "torch",
        "gurobipy none",
        folders.hashes()["prop_7.vnnlib"],
        "not known: it was interrupted",
        "Margin",
    ):
        assert text in page.text, text
    assert "could not read" not in page.text


def test_all_pairs(tmp_path):
    page = page_of(folders.write(tmp_path / "out", folders.benchmark(every=True), repairs=40))
    assert matrix(page) == [10] * 45
    assert "450" in page.text and page.tags.count("svg") == 39 + 3 + 3 + 45 + 45


def test_pairs_that_were_not_run_are_blank(tmp_path):
    rows = [folders.row(NETWORKS[4], PROPERTIES[2])]
    folder = folders.write(tmp_path / "out", rows, manifest=folders.whole_manifest(folders.benchmark()))
    page = page_of(folder)
    assert matrix(page) == [10] * 45
    assert "instances 186 of these with a result 1" in page.text
    assert sum(link in ("#i1", "#c1") for link in page.links) >= 1
    assert "Beside published figures" not in page.text  # only of all 186


def test_the_same_folder_gives_the_same_files(whole):
    names = ("report.html", "report.md", "results.json")
    first = [(whole / name).read_bytes() for name in names]
    rows = folders.benchmark()
    random.Random(1).shuffle(rows)  # the order of work does not matter
    folders.table(whole / "results.csv", list(rows[0]), rows)
    (whole / "report.html").write_text("an old one")
    page_of(whole)
    assert [(whole / name).read_bytes() for name in names] == first


def test_other_networks_have_a_matrix_by_names_and_no_encounters(tmp_path):
    first = folders.benchmark()[0]
    rows = [
        first | {"network": name, "property": prop, "verdict": "sat"}
        for name in ("b.onnx", "dir/n.onnx")
        for prop in ("x_10.vnnlib", "x_9.vnnlib", "prop_1.vnnlib")
    ]
    page = page_of(folders.write(tmp_path / "out", rows))
    assert page.tags.count("svg") == 0 and "0.25, -0.5" in page.text
    assert [name for name, _ in page.tables if "matrix" in name] == ["matrix names"]
    assert "COC" not in page.text  # it is ACAS Xu's prop_1, but not about one of its networks
    assert re.search(r"prop_1 x_9 x_10", page.text)


def test_standins_have_encounters_and_are_called_so(tmp_path):
    rows = [folders.benchmark()[0] | {"network": "standin_tau_0.onnx", "property": "prop_3.vnnlib", "verdict": "sat"}]
    page = page_of(folders.write(tmp_path / "out", rows))
    assert page.tags.count("svg") == 1 and "not one of ACAS Xu's" in page.text


def test_published_names_alone_are_names(tmp_path, monkeypatch):
    """Without the published files' hashes nothing on the page is about ACAS Xu, whatever the files are called."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    rows = [folders.row(network, spec) for network in NETWORKS[:3] for spec in PROPERTIES[:4]]
    content = folders.whole_manifest(rows) | {
        "inputs": {name: "0" * 64 for each in rows for name in (each["network"], each["property"])}
    }
    page = page_of(folders.write(tmp_path / "out", rows, manifest=content, repairs=1))
    assert [name for name, _ in page.tables if "matrix" in name] == ["matrix names"] and page.tags.count("svg") == 0
    assert "ACASXU_run2a_1_2_batch_2000" in page.text and "decides the same" in page.text
    for word in ("N(1,2)", "P2", "COC", "advisory", "score", "ft", "ACAS Xu", "meant to apply"):
        assert not re.search(rf"\b{re.escape(word)}(?!\w)", page.text), word


def test_a_repaired_network_has_the_units_that_its_metadata_say(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    rows = [folders.benchmark()[0] | {"network": "mine.onnx", "property": "prop_3.vnnlib", "verdict": "sat"}]
    content = folders.whole_manifest(rows) | {"made_from": {"mine.onnx": folders.hashes()[NETWORKS[0].file_name]}}
    page = page_of(folders.write(tmp_path / "out", rows, manifest=content))
    assert page.tags.count("svg") == 1 and "made from N(1,1) by its own metadata" in page.text
    assert [name for name, _ in page.tables if "matrix" in name] == ["matrix names"], "it is none of the 45 itself"


def test_names_mean_nothing_to_the_page(tmp_path):
    names = ("<script>alert(1)</script>", "a\"b'c & d</td>", "ünïcode 网络", "|`*[x](http://e.org)", "</style><!--")
    rows = [
        folders.benchmark()[0] | {"network": name, "property": name, "verdict": verdict, "error": name}
        for name in (*names, "backward \u202e\x01")
        for verdict in ("error", "sat")
    ]
    manifest = {name: {names[0]: names[0], "\ud800": names[1]} for name in ("versions", "machine", "options", "inputs")}
    folder = folders.write(tmp_path / "out <b>", rows, manifest=manifest | {"engine": names[0], "started": names[4]})
    page = page_of(folder)
    for name in names:
        assert " ".join(name.split()) in page.text, name
    assert "backward \ufffd\ufffd" in page.text  # what turns text around, or is none
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in text and "[x](" not in text


def test_markdown_tables_have_their_columns(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_report(whole)
    lines = (whole / "report.md").read_text(encoding="utf-8").splitlines()
    tables = re.split(r"\n(?!\|)", "\n".join(lines))
    widths = [
        {len(re.findall(r"(?<!\\)\|", line)) for line in part.splitlines() if line.startswith("|")} for part in tables
    ]
    assert all(len(found) <= 1 for found in widths) and sum(map(bool, widths)) >= 10
    assert markdown("a|b\n`<c>`") == r"a\|b \`&lt;c&gt;\`"


def test_results_for_scripts(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_report(whole)
    content = json.loads((whole / "results.json").read_text())
    assert content["summary"]["sat"] == 47 and content["summary"]["wall_seconds"] == 21.75
    by_name = {(each["network"], each["property"]): each for each in content["instances"]}
    found = by_name["ACASXU_run2a_1_7_batch_2000.onnx", "prop_4.vnnlib"]
    assert isclose(found["encounter"]["distance_ft"], 1650, rel_tol=1e-6)
    assert isclose(found["encounter"]["own_speed_ft_s"], 1100, rel_tol=1e-6)
    assert found["encounter"]["advisory"] == "weak left"
    assert found["encounter"]["scores"][1] == pytest.approx(373.94992 * -0.0201 + 7.5188840201005975)
    assert content["repairs"][0]["regions"][0]["changed"] == 12
    margins = [each["counterexample"]["exact_margin"] for each in content["instances"] if "counterexample" in each]
    assert sum(margin is not None and margin <= 0 for margin in margins) == 1


def test_points_that_float32_cannot_hold_are_said_so(small):
    """The point of the certificate is one of float32; the other is the middle of a box in decimals."""
    row = folders.row(NETWORKS[1], PROPERTIES[1])
    assert page_of(small).text.count("float32 cannot hold this point") == 1
    assert "float32 cannot hold the points of N(1,2) / P2." in (small / "report.md").read_text()
    folders.certify(small, row)
    assert "float32 cannot hold" not in page_of(small).text + (small / "report.md").read_text()


def test_what_a_run_leaves(standin_paths, tmp_path, monkeypatch, capsys):
    from engine.acasxu.files import property_path

    listing = tmp_path / "instances.csv"
    listing.write_text(
        "".join(
            f"{standin_paths[name]},{property_path(number)},60\n"
            for name, number in (("standin_tau_0", 10), ("standin_tau_80", 2))
        )
    )
    out = tmp_path / "out"
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    main(["bench", str(listing), "--out", str(out), "--certificates", str(out / "certificates"), "--device", "cpu"])
    capsys.readouterr()
    assert main(["report", str(out)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert "standin_tau_80" in page_of(out).text


# Plots and pictures


def test_without_matplotlib(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = page_of(whole)
    assert "There are no plots: matplotlib is not installed" in page.text
    assert matrix(page) == [10] * 45 and page.tags.count("svg") == 47


def test_plots(written):
    pytest.importorskip("matplotlib")
    folder, page = written
    assert sum(source.startswith("data:image/svg+xml") for source in page.loaded) == 3
    code = (
        "import sys; from pathlib import Path; from engine.report import write_report; "
        f"write_report(Path({str(folder)!r})); print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2


def test_plots_of_extremes(tmp_path):
    pytest.importorskip("matplotlib")
    numbers = ("0", "1e-300", "1e9", "0.003")
    rows = [
        folders.row(network, PROPERTIES[0])
        | {"seconds": number, "check_seconds": number, "boxes": str(boxes), "certificate_bytes": str(boxes)}
        for network, (number, boxes) in zip(NETWORKS, [(n, b) for n in numbers for b in (0, 1, 10**12)])
    ]
    assert len(page_of(folders.write(tmp_path / "out", rows)).loaded) == 3


def test_a_few_instances_are_no_distribution(tmp_path):
    """Two of them would be one block."""
    pytest.importorskip("matplotlib")
    rows = [folders.row(network, PROPERTIES[0]) | {"seconds": "0.5", "boxes": "7"} for network in NETWORKS[:5]]
    for count in (2, 4, 5):
        page = page_of(folders.write(tmp_path / str(count), rows[:count]))
        assert ("Times and boxes" in page.text) == (count == 5) and "Instances decided within a time" in page.text


@pytest.mark.parametrize("spread", [1.0, 1.5, 1000.0])
def test_bars_of_alike_values_do_not_fill_the_picture(spread):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    rows = tuple(NumberedRow("n", "p", "unsat", seconds=0.5 * spread ** (i % 2)) for i in range(6))
    _histogram(axes, rows, lambda row: row.seconds, "seconds")
    bars = [bar for container in axes.containers for bar in container]
    assert sum(bar.get_height() for bar in bars) == 6
    left, right = (log10(value) for value in axes.get_xlim())
    widths = [log10(bar.get_x() + bar.get_width()) - log10(bar.get_x()) for bar in bars if bar.get_height()]
    assert sum(widths) < 0.35 * (right - left)


def test_pictures_fit(tmp_path):
    pytest.importorskip("PIL")
    path = tmp_path / "noise.png"
    noise = random.Random(0)
    path.write_bytes(folders.png(520, 120, colour=lambda x, y: noise.choices(range(256), k=3)))
    small = small_picture(path, limit=30_000)
    assert small is None or len(small.data) <= 30_000
    assert small_picture(path, limit=10) is None
    path.write_bytes(folders.png(1200, 40))
    assert len(small_picture(path, limit=PICTURES // 40).data) < 4_000


def test_pictures_keep_the_colours_of_a_legend(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    path = tmp_path / "map.png"
    patch = (107, 174, 214)
    path.write_bytes(folders.png(1500, 300, colour=lambda x, y: patch if x < 20 and y < 20 else (x // 6, y // 2, 99)))
    small = Image.open(BytesIO(small_picture(path, limit=200_000).data)).convert("RGB")
    assert patch in {colour for _, colour in small.getcolors(1 << 20)}


@pytest.mark.parametrize("data", [b"", b"no picture", folders.png(3, 3)[:-20], b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_damaged_pictures_are_left_out(small, data):
    name = next((small / "repairs").glob("*.png"))
    name.write_bytes(data)
    page = page_of(small)
    if not data.startswith(folders.png(3, 3)[:40]):  # libraries show as much as there is of a picture that is cut off
        assert f"The maps are in repairs/{name.name}" in page.text


# Encounters


@pytest.mark.parametrize(
    "bearing, heading, intruder, flies",
    [
        (0, 0, (0, 1000), (0, 1)),
        (90, 0, (-1000, 0), (0, 1)),
        (-90, 90, (1000, 0), (-1, 0)),
        (180, 180, (0, -1000), (0, -1)),
        (45, -90, (-707.107, 707.107), (1, 0)),
    ],
)
def test_where_things_are_in_an_encounter(bearing, heading, intruder, flies):
    view = scene(Encounter(1000, bearing, heading, 200, 100, SCORES := (0.0,) * 5))
    assert view.intruder == pytest.approx(intruder, abs=1e-2)
    way = 100 * view.seconds
    moved = [after - before for before, after in zip(view.intruder, view.intruder_end)]
    assert moved == pytest.approx([part * way for part in flies], abs=1e-6)
    assert view.own_end == (0, 200 * view.seconds) and len(SCORES) == 5


@pytest.mark.parametrize("distance", [0, 0.001, 1500, 60760, 1e9])
@pytest.mark.parametrize("speeds", [(0, 0), (100, 1200), (1200, 0), (-5, 3)])
def test_sketches_stay_inside(distance, speeds):
    drawing = sketch(Encounter(distance, 30, -120, *speeds, (0.0,) * 5), title="x")
    numbers = re.findall(r'[xy][12]?="(-?[\d.]+)"', drawing) + re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", drawing)
    flat = [float(v) for entry in numbers for v in (entry if isinstance(entry, tuple) else (entry,))]
    assert all(-12 <= value <= max(WIDTH, HEIGHT) for value in flat) and "nan" not in drawing


# Public figures


def test_public_figures_agree_with_their_instances():
    tools = {tool.name: tool for tool in public_tools()}
    assert all(tool.source for tool in tools.values())
    with_times = [tool for tool in tools.values() if tool.times]
    assert len(with_times) == 3
    for tool in with_times:
        times = sorted(tool.times.values())
        assert set(tool.times) == {(str(network), f"P{spec.number}") for spec, network in benchmark_instances()}
        assert len(times) == tool.decided == 186
        assert sum(times) == pytest.approx(tool.total, abs=0.06)
        assert (times[92] + times[93]) / 2 == pytest.approx(tool.median, abs=0.01)
        assert times[-1] == pytest.approx(tool.slowest, abs=0.06)


# Damaged folders


def no_table(folder):
    (folder / "results.csv").unlink()


def text(content, *, name="results.csv"):
    def change(folder):
        (folder / name).write_bytes(content)

    return change


HEAD = b"network,property,verdict,seconds,boxes\n"


@pytest.mark.parametrize(
    "change, where, what",
    [
        (shutil.rmtree, "out", "this is no folder"),
        (no_table, "results.csv", "there are no results in it"),
        (text(b""), "results.csv:1", "there is no header"),
        (text(b"network,verdict\n"), "results.csv:1", "there is no column 'property'"),
        (text(b"network,property,verdict,verdict\n"), "results.csv:1", "a column is there twice"),
        (text(HEAD + b"a,b,maybe,1,1\n"), "results.csv:2", "'maybe' is no verdict"),
        (text(HEAD + b"a,b,sat,1,1\na,c,sat,x,1\n"), "results.csv:3", "seconds is 'x'"),
        (text(HEAD + b"a,b,sat,nan,1\n"), "results.csv:2", "seconds is 'nan'"),
        (text(HEAD + b"a,b,sat,1,-3\n"), "results.csv:2", "boxes is '-3'"),
        (text(HEAD + b"a,b,sat,1\nc,d,sat,1,1\n"), "results.csv:2", "this row has 4 cells, the header 5"),
        (text(HEAD + b"a,b,sat,1," + b"9" * 400 + b"\n"), "results.csv:2", "boxes is '9"),
        (text(HEAD + b"a,b,sat,1e30,1\n"), "results.csv:2", "seconds is '1e30', which no run can have"),
        (
            text(b'{"machine": {"memory_bytes": 1e400}}', name="manifest.json"),
            "manifest.json",
            "memory_bytes is inf, which no",
        ),
        (text(b'{"sessions": [{"wall_seconds": NaN}]}', name="manifest.json"), "manifest.json", "wall_seconds is nan"),
        (text(b'{"sessions": [{"decided": -1}]}', name="manifest.json"), "manifest.json", "sessions, 1, decided is -1"),
        (
            text(b'{"sessions": [{"decided": ' + b"9" * 400 + b"}]}", name="manifest.json"),
            "manifest.json",
            "decided is 999",
        ),
        (text(b'{"format": 1}', name="manifest.json"), "manifest.json", "format 1, this version's is 2"),
        (
            text(b"network,properties,outcome,weights\na,b,repaired,many\n", name="repairs.csv"),
            "repairs.csv:2",
            "weights is 'many'",
        ),
        (
            text(b"network,properties,outcome,agreement_outside\na,b,repaired,1.5\n", name="repairs.csv"),
            "repairs.csv:2",
            "agreement_outside is '1.5', which no run can have",
        ),
        (
            text(b"network,properties,outcome,max_output_change\na,b,repaired,nan\n", name="repairs.csv"),
            "repairs.csv:2",
            "max_output_change is 'nan'",
        ),
        (text(HEAD + b",b,sat,1,1\n"), "results.csv:2", "names no network"),
        (text(HEAD + b"a,b\xff,sat,1,1\n"), "results.csv:2", "no UTF-8"),
        (text(HEAD + b'a,"b"x,sat,1,1\n'), "results.csv:2", "this is no csv"),
        (text(HEAD + b'a,"b,sat,1,1\n'), "results.csv:2", "this is no csv"),
        (text(b"network,outcome\n", name="repairs.csv"), "repairs.csv:1", "there is no column 'properties'"),
        (text(b"network,properties,outcome\na,b,fine\n", name="repairs.csv"), "repairs.csv:2", "'fine' is no outcome"),
    ],
)
def test_one_line_says_what_is_wrong(small, capsys, change, where, what):
    change(small)
    assert main(["report", str(small)]) == 2
    line = one_line(capsys.readouterr().err)
    assert where in line and what in line and ";" in line
    assert not (small / "report.html").exists()


def test_a_place_that_cannot_be_written(small, capsys):
    (small / "report.html").mkdir()
    assert main(["report", str(small)]) == 2
    assert "report.html: there should be a file, and there is a folder" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("torn", ["ACASXU_run2a_1_1", "a,b,sat,real,0.", 'a,"b', "a,b,sat,real,0.1,3,cpu,1,,0.1"])
def test_a_torn_last_row_is_left_out_and_said(small, torn):
    with (small / "results.csv").open("a") as file:
        file.write(torn)
    page = page_of(small)
    assert "results.csv: line 4 was being written when the run ended, and is left out" in page.text
    assert "instances 2 " in page.text


@pytest.mark.parametrize(
    "change, note",
    [
        (lambda f: (f / "manifest.json").unlink(), "manifest.json is missing"),
        (text(b'{"engine": ', name="manifest.json"), "manifest.json: this is no JSON"),
        (text(b"[" * 100_000, name="manifest.json"), "manifest.json: this is"),
        (text(b"[1]", name="manifest.json"), "manifest.json: this is no JSON object"),
        (
            text(
                b'{"machine": 3, "inputs": [], "sessions": [[]], "instances": "no", "engine": {}}', name="manifest.json"
            ),
            "",
        ),
        (
            lambda f: shutil.rmtree(f / "counterexamples"),
            "counterexamples/ACASXU_run2a_1_2_batch_2000_prop_2.txt: cannot",
        ),
        (text(b"no point", name="counterexamples/ACASXU_run2a_1_2_batch_2000_prop_2.txt"), "this is no counterexample"),
        (text(b"((X_0 1)(X_1 two))", name="counterexamples/ACASXU_run2a_1_2_batch_2000_prop_2.txt"), "X_1 is 'two'"),
        (text(b"((X_1 1)(Y_0 1))", name="counterexamples/ACASXU_run2a_1_2_batch_2000_prop_2.txt"), "X_1 is not where"),
        (text(b"((X_0 1)(Y_0 inf))", name="counterexamples/ACASXU_run2a_1_2_batch_2000_prop_2.txt"), ""),
        (text(b"no zip", name="certificates/ACASXU_run2a_1_2_batch_2000_prop_2.witness.zip"), ""),
        (text(b"{", name="repairs/ACASXU_run2a_1_2_batch_2000.json"), "_1_2_batch_2000.json: this is no JSON"),
        (
            text(
                b'{"chosen": 3, "fidelity": {"regions": {"a": 4, "b": {}}}}',
                name="repairs/ACASXU_run2a_1_2_batch_2000.json",
            ),
            "",
        ),
        (lambda f: shutil.rmtree(f / "repairs"), "is missing: where decisions changed"),
        (
            text(b"network,properties,outcome,weights,agreement_outside\nN,a;b,repaired,,\n", name="repairs.csv"),
            ".json is missing",
        ),
        (text(b"network,properties,outcome\n" + b"n" * 300 + b",b,repaired\n", name="repairs.csv"), ".json is missing"),
        (text(b"network,property,verdict,colour\na,b,unsat,red\n"), "unknown columns are left out: colour"),
        (text(b"network,property,verdict\r\na,b,unsat\r\n"), ""),
        (text(b"network,property,verdict\n"), ""),
        (text(b"network,property,verdict\n" + b"n" * 300 + b",../../y,sat\n"), "counterexamples/"),
    ],
)
def test_where_it_can_go_on_the_report_says_what_is_missing(small, change, note):
    (small / "certificates").mkdir()
    change(small)
    page = page_of(small)
    assert note in page.text
    assert ("could not read" in page.text) == bool(note)


def test_a_long_list_stays_a_page(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    first = folders.benchmark()[0]
    rows = [first | {"network": f"n{i}.onnx", "property": f"p{i}.vnnlib"} for i in range(5_000)]
    folder = folders.write(tmp_path / "out", rows, manifest={})
    page = page_of(folder)
    assert "The other 3,000 are in results.csv" in page.text and "matrix" not in [name for name, _ in page.tables]
    assert len(json.loads((folder / "results.json").read_text())["instances"]) == 5_000


TOKENS = [b",", b"\n", b'"', b"{", b"]", b"null", b"1e999", b"-1", b"NaN", b"\xff", b"\0", b"<", b":", b"9" * 30, b""]


@pytest.mark.parametrize("seed", [*range(15), *(pytest.param(n, marks=pytest.mark.slow) for n in range(15, 40))])
def test_damage_of_any_kind_is_said_in_one_line_or_on_the_page(small, seed):
    folders.certify(small, folders.row(NETWORKS[1], PROPERTIES[1]))
    dice = random.Random(seed)
    path = dice.choice(sorted(path for path in small.rglob("*") if path.is_file()))
    data = bytearray(path.read_bytes())
    for _ in range(dice.choice((1, 2, 5))):
        start = dice.randrange(len(data) + 1)
        data[start : start + dice.choice((0, 1, 4, 30))] = dice.choice(TOKENS)
    path.write_bytes(data[: dice.choice((len(data), dice.randrange(len(data) + 1)))])
    try:
        page_of(small)
    except InputError as error:
        assert ";" in str(error)
