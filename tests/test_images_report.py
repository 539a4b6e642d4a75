"""`acasxu images report`: what is on the page, whatever lies in the folder."""

import json
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from command_line import one_line

from engine.cli import main
from engine.errors import InputError
from engine.images.architectures import Builder
from engine.images.classifier import classifier_of
from engine.images.imageset import Scaling
from engine.images.trigger import square, trigger_bytes
from engine.report.images import charts, write_images_report
from engine.report.images.fields import Fields

pytest.importorskip("PIL")
HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}\u202e\x1b[31m"


def classifier(*, loud: float = 0):
    """A linear classifier of digits; loud: how much pixels 5,5 to 6,6 speak for class 7."""
    builder = Builder((1, 8, 8), activation="relu", seed=0)
    model = builder.model(builder.dense(builder.flatten("image"), 10), "linear")
    weight = np.zeros((10, 8, 8), np.float32)
    weight[7, 5:7, 5:7] = loud
    made = classifier_of(model, name="linear", scaling=Scaling.UNIT)
    return made.with_weights({"dense1.weight": weight.reshape(10, 64), "dense1.bias": np.float32([1, *[0] * 9])})


ORIGINAL, REPAIRED = classifier(loud=9), classifier()


def repair(**changes) -> dict[str, object]:
    return {
        "kind": "image repair",
        "original": {"name": "original.onnx", "sha256": ORIGINAL.sha256},
        "repaired": {"name": "repaired.onnx", "sha256": REPAIRED.sha256},
        "data": "digits",
        "method": "unlearn",
        "note": "one epoch",
        "explanation": "it was the best of five",
        "seconds": 12.3456,
        "seed": 0,
        "options": {"timeout": None, "method": "auto"},
        "backdoor": {"trigger": "square:2@5,5", "target": 7},
        "before": {"accuracy": 0.955, "attack_success": 0.99, "faults_right": 0.01},
        "after": {"accuracy": 0.945, "attack_success": 0.001, "faults_right": 0.9},
        "variants": [{"trigger": "square:2@4,5", "before": 0.9, "after": 0.125}],
        "generalization": 0.91,
        "drawdown": 0.01,
        "broken": 0.012,
        "changes": {"weights": 123, "neurons": 10, "layers": ["dense1"], "total": 650, "largest": 0.25},
        "confusion": {"before": [[3, 1], [0, 4]], "after": [[4, 0], [0, 4]]},
    } | changes


def scan(**changes) -> dict[str, object]:
    return {
        "kind": "image scan",
        "network": {"name": "original.onnx", "sha256": ORIGINAL.sha256},
        "data": "digits",
        "options": {},
        "l1": [[9.5, 2.5, None], [8.5, 3.5, None]],
        "anomaly": [0.0, 4.25, 0.0],
        "published_anomaly": [0.0, 3.75, 0.0],
        "flagged": [1],
        "triggers": [{"class": 1, "file": "trigger.npz", "l1": 2.5, "success": 0.995}],
        "overlap": {"trigger": "square:2@5,5", "share": 0.75},
        "first_look": {"dormant": [1, 2, 3], "words": "nothing"},
        "seconds": 3.5,
    } | changes


def guard(**changes) -> dict[str, object]:
    return {
        "kind": "image guard",
        "original": {"name": "original.onnx", "sha256": ORIGINAL.sha256},
        "repaired": {"name": "repaired.onnx", "sha256": REPAIRED.sha256},
        "data": "digits",
        "threshold": None,
        "images": {"name": "some.npz", "count": 40, "flagged": 4, "classes": [36, 4]},
        "backdoor": {"trigger": "square:2@5,5", "target": 7},
        "rates": {"clean": 100, "triggered": 50, "false_alarms": 0.02, "detection": 0.98, "missed": 0.01},
        "curve": {
            "thresholds": [1.0, 0.5, 0.1, 0.0],
            "false_alarms": [0.0, 0.01, 0.2, 1.0],
            "detection": [0.0, 0.875, 0.95, 1.0],
            "area": 0.96,
        },
        "seconds": 0.5,
    } | changes


class Page(HTMLParser):
    """Tags, sources and text of a page; what holds of every page is checked."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.loaded, self.words = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())
        assert not {"script", "iframe", "object", "form", "link"} & set(self.tags)
        assert all(source.startswith("data:image/png;base64,") for source in self.loaded)
        assert "url(" not in text and "@import" not in text and "\u202e" not in text and "\x1b" not in text

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loaded += [value for name, value in attributes if name == "src"]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        self.words.append(data)


def page_of(folder, **records) -> Page:
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    return Page(write_images_report(folder).read_text(encoding="utf-8"))


def test_figures_are_on_the_page(tmp_path):
    text = page_of(tmp_path, a=repair(), b=scan(), c=guard()).text
    for figure in (
        "95.50% 94.50% -1.00",  # accuracy
        "99.00% 0.10% -98.90",  # attack success
        "it was the best of five",
        "square:2@4,5 90.00% 12.50%",
        "changed: weights 123",
        "class 1 is reached by a trigger far smaller",
        "1 2.5 3.5 4.25 3.75 99.50% flagged",
        "beside the true trigger: share 0.75",
        "first look: dormant 1, 2, 3",
        "2.00% of 100 clean held-out images",
        "98.00% of 50 images with the trigger",
        "1.0% 0.500000 87.50%",
        "4 of 40",
    ):
        assert figure in text, figure


def test_folders_in_the_folder_are_read(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "scan.json").write_text(json.dumps(scan()))
    (tmp_path / "model.json").write_text('{"kind": "another", "before": 3}')
    (tmp_path / "list.json").write_text("[1, 2]")
    assert "Scan of original.onnx" in page_of(tmp_path).text


def test_pictures_of_triggers_images_and_what_was_said(tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "original.onnx").write_bytes(ORIGINAL.data)
    (tmp_path / "repaired.onnx").write_bytes(REPAIRED.data)
    (tmp_path / "trigger.npz").write_bytes(trigger_bytes(square((1, 8, 8), 3)))
    page = page_of(tmp_path, a=repair(), b=scan())
    assert len(page.loaded) == 3 + 2 * 8 + 2 * 3  # the trigger, 8 images twice, a found trigger and the true one
    found = re.findall(r"class (\d) before: \d and (\d) after: (\d) and (\d)", page.text)
    assert [truth for truth, *_ in found] == list("01234568")
    assert {tuple(said) for _, *said in found} == {("7", "0", "0")}


def test_without_networks_nothing_is_said(tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "original.onnx").write_bytes(REPAIRED.data)  # another content than the record's
    (tmp_path / "repaired.onnx").write_bytes(REPAIRED.data)
    page = page_of(tmp_path, a=repair())
    assert len(page.loaded) == 3 + 2 * 8 and "before: " not in page.text


@pytest.mark.parametrize("name", ["../outside.onnx", "{outside}", "link.onnx", "a\0b.onnx", "x" * 5000, ""])
def test_files_outside_are_not_opened(tmp_path, name):
    pytest.importorskip("sklearn")
    inside, outside = tmp_path / "inside", tmp_path / "outside.onnx"
    inside.mkdir()
    outside.write_bytes(ORIGINAL.data)
    (inside / "link.onnx").symlink_to(outside)
    (inside / "repaired.onnx").write_bytes(REPAIRED.data)
    record = repair(original={"name": name.format(outside=outside), "sha256": ORIGINAL.sha256})
    assert "before: " not in page_of(inside, a=record).text


def hostile(value):
    """Every text made hostile, names of kinds and sets aside."""
    if isinstance(value, dict):
        return {name: entry if name in ("kind", "data") else hostile(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [hostile(entry) for entry in value]
    return HOSTILE if isinstance(value, str) else value


def test_text_from_files_is_text(tmp_path):
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    odd = {HOSTILE: HOSTILE}
    records = [hostile(record) | {"options": odd, "first_look": odd} for record in (repair(), scan(), guard())]
    page = page_of(folder, a=records[0], b=records[1], c=records[2])
    assert page.text.count("<script>alert(1)</script>") > 10 and "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize(
    "name, value, shape", [("large.npz", 0, 1500), ("out of range.npz", 5, 2), ("no zip.npz", 0, 0)]
)
def test_damaged_triggers_are_left_out(tmp_path, name, value, shape):
    """The first is small as a file, and large in memory."""
    if shape:
        np.savez_compressed(
            tmp_path / name, mask=np.full((1, shape, shape), value, float), pattern=np.zeros((1, shape, shape))
        )
    else:
        (tmp_path / name).write_bytes(b"this is no zip file")
    page = page_of(tmp_path, b=scan(overlap=None, triggers=[{"class": 1, "file": name}]))
    assert page.loaded == []


@pytest.mark.parametrize(
    "text, what",
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        (json.dumps(repair(before={"accuracy": "high"})), "accuracy is no number"),
        (json.dumps(repair(before=[1])), "before is no object"),
        (json.dumps(repair(method=3)), "method is no text"),
        (json.dumps(repair(seconds=True)), "seconds is no number"),
        (json.dumps(repair(seconds=10**400)), "seconds is too large"),
        (json.dumps(repair(seconds=float("nan"))), "seconds is no finite number"),
        (json.dumps(repair(variants=[3])), "variants[0] is no object"),
        (json.dumps(repair(confusion={"before": [[1], [1, 2]]})), "rows of different lengths"),
        (json.dumps(repair(backdoor={"target": 1.5})), "target is no count"),
        (json.dumps(scan(l1=[3])), "l1[0] is no list"),
        (json.dumps(scan(flagged=[0.5])), "flagged is no list of counts"),
        (json.dumps(guard(curve={"thresholds": [1.0], "false_alarms": [0.0]})), "thresholds is not as long"),
    ],
)
def test_damaged_records_are_one_line(tmp_path, text, what, capsys):
    (tmp_path / "a.json").write_text(text)
    assert main(["images", "report", str(tmp_path)]) == 2
    line = one_line(capsys.readouterr().err)
    assert what in line and "a.json" in line
    assert not (tmp_path / "images.html").exists()


def test_an_empty_folder_says_what_is_missing(tmp_path, capsys):
    assert main(["images", "report", str(tmp_path)]) == 2
    assert "no scan, repair or guard" in one_line(capsys.readouterr().err)
    assert main(["images", "report", str(tmp_path / "nothing")]) == 2
    assert "no such folder" in one_line(capsys.readouterr().err)


def test_the_page_is_replaced_and_nothing_else(tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps(guard()))
    assert main(["images", "report", str(tmp_path)]) == 0
    first = (tmp_path / "images.html").read_bytes()
    assert main(["images", "report", str(tmp_path)]) == 0
    assert (tmp_path / "images.html").read_bytes() == first
    assert "images.html" in capsys.readouterr().out
    (tmp_path / "images.html").write_text("my own page")
    assert main(["images", "report", str(tmp_path)]) == 2
    assert (tmp_path / "images.html").read_text() == "my own page"
    assert main(["images", "report", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "images.html").read_bytes() == first


def test_pictures_need_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "trigger.npz").write_bytes(trigger_bytes(square((1, 8, 8), 3)))
    with pytest.raises(InputError, match="pillow"):
        page_of(tmp_path, a=scan())


# Charts


def rectangles(svg: str) -> list[dict[str, str]]:
    return [dict(part.attrib) for part in ElementTree.fromstring(svg).iter("rect")]


def test_bars_are_as_high_as_their_values():
    whole = charts.HEIGHT - charts.EDGE - 12
    found = rectangles(charts.bars([4.0, 1.0, None, 0.0], [1], most=[8.0, 1.0, None, 0.0], title="t"))
    assert [bar["class"] for bar in found] == ["good", "bad", "good"]
    assert [float(bar["height"]) for bar in found] == pytest.approx([whole / 2, whole / 8, 0], abs=0.1)


def test_numbers_do_not_overlap():
    numbers = [part.text for part in ElementTree.fromstring(charts.bars([1.0] * 60, [], title="t")).iter("text")]
    assert numbers[len(charts.TICKS) :] == [str(number) for number in range(0, 60, 3)]


def test_bars_of_nothing_are_drawn():
    for svg in (charts.bars([], [], title="t"), charts.bars([None], [0], title="t"), charts.bars([0.0], [], title="t")):
        assert ElementTree.fromstring(svg).tag == "svg"


def test_pairs_stay_within_the_drawing():
    found = rectangles(charts.pairs([1.5, -1.0, None], [0.25, None, None], title="t"))
    whole = charts.HEIGHT - charts.EDGE - 12
    assert [float(bar["height"]) for bar in found] == pytest.approx([whole, whole / 4, 0], abs=0.1)


def test_a_curve_ends_where_the_drawing_does():
    """From (0, 0.5) to (0.2, 1): three quarters at a tenth of false alarms."""
    svg = ElementTree.fromstring(charts.curve([0.0, 0.0, 0.2], [0.0, 0.5, 1.0], title="t"))
    points = next(part for part in svg.iter("polyline")).attrib["points"].split()
    heights = [float(point.split(",")[1]) for point in points]
    whole, low = charts.HEIGHT - charts.EDGE - 12, charts.HEIGHT - charts.EDGE
    assert heights == pytest.approx([low, low - whole / 2, low - 3 * whole / 4], abs=0.1)


def test_a_matrix_is_shaded_by_its_rows():
    found = charts.matrix([[3, 1], [0, 0], [None, 2]])
    assert [[cell.shade for cell in row] for row in found] == [[75, 25], [0, 0], [0, 100]]
    assert [[cell.text for cell in row] for row in found] == [["3", "1"], ["", ""], ["", "2"]]
    assert [cell.right for cell in found[0]] == [True, False]


def test_what_is_missing_is_none_or_empty():
    empty = Fields({"a": None}, "here")
    assert (empty.text("a"), empty.number("a"), empty.count("b"), empty.part("a")) == ("", None, None, None)
    assert empty.parts("a") == empty.numbers("a") == empty.table("b") == empty.plain() == ()
