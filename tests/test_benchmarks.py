"""The scripts beside the engine: other tools' results beside ours, and the watch on speed. Nothing is timed here."""

import csv
import os
import re
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from command_line import ROOT

from engine.errors import InputError


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.fixture
def two_networks():
    """The folder of the fifty questions, where there is one beside the published networks."""
    folder = Path(os.environ.get("ACASXU_TWO_NETWORKS", "none"))
    if not folder.is_dir():
        pytest.skip("the fifty questions are not here")
    return folder


OURS = """network,property,verdict,semantics,seconds,boxes,device
a.onnx,p.vnnlib,unsat,real,0.5,10,cpu
b.onnx,p.vnnlib,sat,real,0.001,1,cpu
c.onnx,p.vnnlib,timeout,real,30,1000,cpu
"""
#: as VNN-COMP wrote them in 2021, since 2022, and since 2024
YEARS = {
    2021: "acasxu,./benchmarks/acasxu/{}.onnx,./benchmarks/acasxu/{}.vnnlib,.007,{},{}",
    2022: "acasxu,./benchmarks/acasxu/onnx/{}.onnx,./benchmarks/acasxu/vnnlib/{}.vnnlib,26.1,{},{}",
    2025: "acasxu_2023,vnncomp2025_benchmarks/benchmarks/acasxu_2023/onnx/{}.onnx.gz,"
    "vnncomp2025_benchmarks/benchmarks/acasxu_2023/vnnlib/{}.vnnlib.gz,1.8,{},{}",
}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def theirs(folder: Path, rows, *, year: int = 2025, name: str = "other.csv") -> Path:
    return written(folder, name, "".join(YEARS[year].format(*row) + "\n" for row in rows))


AGREE = [("a", "p", "unsat", "5.0"), ("b", "p", "sat", "1.5"), ("c", "p", "unsat", "60")]


@pytest.mark.parametrize("year", YEARS)
def test_every_year_is_read(tmp_path, year):
    from result_files import matched, read_results

    rows = [(a, b, {"unsat": "holds", "sat": "violated"}[word] if year == 2021 else word, s) for a, b, word, s in AGREE]
    ours = read_results(written(tmp_path, "ours.csv", OURS))
    found = matched(ours, read_results(theirs(tmp_path, rows, year=year)))
    assert [(key[0], result.verdict, result.seconds) for key, result in found.items()] == [
        ("a.onnx", "unsat", 5.0),
        ("b.onnx", "sat", 1.5),
        ("c.onnx", "unsat", 60.0),
    ]


@pytest.mark.parametrize(
    "word, said",
    [
        ("unsat", "unsat"),
        ("holds", "unsat"),
        ("sat", "sat"),
        ("violated", "sat"),
        ("timeout", "timeout"),
        ("run_instance_timeout", "timeout"),
        ("timeout(X_00 1)", "timeout"),
        ("error_exit_code_1", "error"),
        ("", "unknown"),
        ("no_result_in_file", "unknown"),
        ("prepare_instance_error_", "error"),
        ("error_nonmaximal", "unknown"),
        ("?", "unknown"),
    ],
)
def test_words(word, said):
    from result_files import meaning

    assert meaning(word) == said


def test_disagreements_come_first_and_are_loud(tmp_path, capsys):
    from compare import main

    ours = written(tmp_path, "ours.csv", OURS)
    good, bad = theirs(tmp_path, AGREE), theirs(tmp_path, [("a", "p", "sat", "1")], name="bad.csv")
    assert main([str(ours), f"good={good}", f"bad={bad}"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("!!!") and "1 DISAGREEMENTS" in out[1]
    assert "a.onnx p.vnnlib: ours unsat, good unsat, bad sat" in out[3]
    assert main([str(ours), f"good={good}"]) == 0
    assert capsys.readouterr().out.startswith("no disagreement")


def test_others_disagreeing_among_themselves_is_seen(tmp_path):
    from compare import main

    ours = written(tmp_path, "ours.csv", OURS)
    first, second = (theirs(tmp_path, [("c", "p", word, "1")], name=f"{word}.csv") for word in ("sat", "unsat"))
    assert main([str(ours), str(first), str(second)]) == 1


def test_speed_ups_are_of_what_both_decide(tmp_path, capsys):
    from compare import Tool, main, summarize
    from result_files import matched, read_results

    files = written(tmp_path, "ours.csv", OURS), theirs(tmp_path, AGREE)
    ours = read_results(files[0])
    summary = summarize(ours, Tool("other", matched(ours, read_results(files[1]))), least=0.01)
    assert (summary.common, summary.ours, summary.theirs) == (3, 2, 3)
    assert summary.speedups == pytest.approx([10, 150]) and summary.geometric_mean == pytest.approx(1500**0.5)
    main([str(files[0]), f"other={files[1]}", "--table", str(tmp_path / "t.csv")])
    assert "38.7" in capsys.readouterr().out
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[2] == {
        "network": "c.onnx",
        "property": "p.vnnlib",
        "ours_verdict": "timeout",
        "ours_seconds": "30.0",
        "other_verdict": "unsat",
        "other_seconds": "60.0",
    }


def test_one_name_in_two_folders_is_two_instances(tmp_path):
    from result_files import matched, read_results

    ours = written(
        tmp_path,
        "ours.csv",
        "network,property,verdict,seconds\nonnx/x/n.onnx,vnnlib/x/p.vnnlib,sat,1\n"
        "onnx/y/n.onnx,vnnlib/y/p.vnnlib,unsat,1\n",
    )
    other = theirs(tmp_path, [("x/n", "x/p", "sat", "2"), ("y/n", "y/p", "unsat", "3")])
    ours, found = read_results(ours), read_results(other)
    assert [result.seconds for result in matched(ours, found).values()] == [2, 3]
    found = read_results(theirs(tmp_path, [("n", "p", "sat", "2")]))
    assert matched(ours, found) == {}  # which of the two is meant is not said


@pytest.mark.parametrize(
    "text, what",
    [
        ("", "holds no result"),
        ("a,b,c\n", "3 columns"),
        ("c,n.onnx,p.vnnlib,1,unsat,soon\n", "number of seconds"),
        ("c,n.onnx,p.vnnlib,1,unsat,1\nd,n.onnx,p.vnnlib,1,sat,1\n", "listed twice"),
        ("c,,p.vnnlib,1,unsat,1\n", "names no"),
    ],
)
def test_files_that_are_none(tmp_path, text, what):
    from result_files import read_results

    with pytest.raises(InputError, match=what):
        read_results(written(tmp_path, "other.csv", text))


def test_the_plot_is_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from compare import main

    ours, picture = written(tmp_path, "ours.csv", OURS), tmp_path / "plot.png"
    assert main([str(ours), str(theirs(tmp_path, AGREE)), "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


# --- the watch ------------------------------------------------------------------------------------


def test_ratios_are_relative_to_the_calibration():
    from watch import Measured, line, ratio

    committed = Measured("f", 10.0, 0.5, "abc", "cpu")
    assert ratio(Measured("f", 20.0, 1.0, "now", "cpu"), committed) == pytest.approx(1.0)
    assert ratio(Measured("f", 20.0, 0.5, "now", "cpu"), committed) == pytest.approx(2.0)
    assert "ratio 2.00 to abc" in line(Measured("f", 20.0, 0.5, "now", "cpu"), committed)
    old = Measured("f", 10.0, None, "abc", "cpu")
    assert ratio(committed, old) is None and "without calibration" in line(committed, old)
    assert ratio(committed, None) is None and "no committed figure" in line(committed, None)


def test_committed_figures_are_kept(tmp_path):
    from watch import Measured, read_committed, write_committed

    figures = {"f": Measured("f", 10.0, 0.5, "abc", "EPYC, 2 threads"), "g": Measured("g", 1.0, None, "abc", "cpu")}
    write_committed(tmp_path / "watch.csv", figures)
    assert read_committed(tmp_path / "watch.csv") == figures
    assert read_committed(tmp_path / "none.csv") == {}


def test_the_committed_file_is_about_known_figures():
    from watch import COMMITTED, figures, read_committed

    assert set(read_committed(ROOT / COMMITTED)) <= {figure.name for figure in figures()}


def test_a_figure_comes_with_what_it_reads():
    from watch import chosen

    assert [figure.name for figure in chosen(["check 186"], everything=False)] == ["certify 186", "check 186"]
    assert len(chosen([], everything=True)) > len(chosen([], everything=False)) >= 5
    with pytest.raises(SystemExit, match="no figure is called"):
        chosen(["nothing"], everything=False)


def test_the_kernel_does_the_same_work():
    from calibration import python_work, tensor_work

    assert tensor_work(64) == tensor_work(64) and python_work() == python_work()


# Fifty questions about two networks


def test_a_perturbation_is_scaled_number_by_number(tmp_path):
    from bench_pairs import write_pairs
    from two_networks import scaled

    from engine.onnx_file import load_network, parse_network

    write_pairs(tmp_path)
    f, g = (load_network(tmp_path / f"{name}.onnx") for name in ("f", "far"))
    paths = tmp_path / "f.onnx", tmp_path / "far.onnx"
    for scale, shift in ((0.0, 0.0), (0.5, 0.25), (1.0, 0.5), (2.0, 1.0)):
        found = parse_network(scaled(*paths, scale))
        assert (found.layers[-1].bias - f.layers[-1].bias).tolist() == pytest.approx([shift, 0.0], abs=1e-7)
        assert (found.layers[0].weight == f.layers[0].weight).all()
    assert (parse_network(scaled(*paths, 1.0)).layers[-1].bias == g.layers[-1].bias).all()


def test_questions_with_other_boxes_are_the_folders_own_but_for_these(two_networks):
    from two_networks import box_of, query_text

    from engine.vnnlib import load_query, parse_query

    theirs = load_query(two_networks / "vnnlib" / "equivalent_0.05_on_p2_box.vnnlib")
    ours = parse_query(query_text(box_of("2"), "0.05"))
    assert (ours.ties, ours.free, ours.property.cases) == (theirs.ties, theirs.free, theirs.property.cases)
    case, domain = parse_query(query_text(box_of("3"), "0.5")).property.cases[0], box_of("domain")
    assert case.unsafe[0].rows[0].constant == Fraction(1, 2)
    assert all(low <= a <= b <= high for low, a, b, high in zip(domain.lower, case.lower, case.upper, domain.upper))


def test_rows_that_are_measured_are_not_measured_again(tmp_path):
    from two_networks import AS_IT_IS, COLUMNS, Setting, wanted

    out = written(tmp_path, "pairs.csv", ",".join(COLUMNS) + "\n1,f+g,0.05,2,1,100" + "," * 10 + "\n")
    assert [(row, cells["expected"]) for row, cells in wanted([0, 1, 14], AS_IT_IS, 100.0, out)] == [
        (0, "unsat"),
        (14, "sat"),
    ]
    assert [row for row, _ in wanted([1], AS_IT_IS, 10.0, out)] == [1]
    ((row, cells),) = wanted([1], Setting(eps="0.1"), 100.0, out)
    assert cells["expected"] == ""  # nobody said what it is


def test_the_page_counts_what_was_decided(tmp_path):
    from results_pairs import two_networks
    from two_networks import COLUMNS

    assert two_networks(tmp_path) == ""
    lines = [
        "0,f+g,0.05,2,1,100,unsat,unsat,10,1.5,2.0,1000,accepted,0.5,abc,a processor",
        "1,f+g,0.05,2,1,100,timeout,unsat,30,100.0,99.0,,,,abc,a processor",
        "0,f+g,0.1,2,1,100,unsat,,5,0.5,1.0,500,accepted,0.2,abc,a processor",
    ]
    written(tmp_path, "two_networks.csv", "\n".join([",".join(COLUMNS), *lines, ""]))
    page = two_networks(tmp_path)
    assert "| 0.05 | 2 | 1 | 100 | 1 | 0 | 1 | 40, 30 | 50.8, 100.0, 102 | 1 of 1 | 1 | 0 | abc |" in page
    assert "| 0.1 | 2 | 1 | 100 | 1 | 0 | 0 |" in page and "expected ones: none" in page


# Repairs


def test_earlier_repairs_are_not_written_over_without_networks(tmp_path, monkeypatch, capsys):
    import repair

    earlier = written(tmp_path, "repair-classic-auto.csv", "earlier\n")
    monkeypatch.chdir(tmp_path)  # where `build` is made
    monkeypatch.setenv("ACASXU_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["repair.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        repair.main()
    assert ended.value.code == 2 and "holds ACAS Xu networks" in capsys.readouterr().err
    assert earlier.read_text() == "earlier\n"


def test_result_files_name_no_folder_of_a_machine(monkeypatch):
    from machine import command

    monkeypatch.setattr(sys, "argv", ["benchmarks/images.py", "--models", "/somewhere/models", "--rows", "weak"])
    assert command() == "python benchmarks/images.py --models models --rows weak"
    for path in (ROOT / "benchmarks" / "results").iterdir():
        words = re.findall(r"[^\s\"',;=]+", path.read_text())
        assert not [word for word in words if word.startswith("/")], path.name


def test_robustness_asks_about_the_box_within_the_pixels():
    """Pixels of 0, 1/2 and 1, within 1/10; each class other than the label is unsafe where it is not below it."""
    from robustness import CLASSES, question

    prop = question([0.0, 0.5, 1.0], 3, Fraction("0.1"))
    (case,) = prop.cases
    assert case.lower == (0, Fraction("0.4"), Fraction("0.9")) and case.upper == (Fraction("0.1"), Fraction("0.6"), 1)
    assert len(case.unsafe) == CLASSES - 1
    x, y = case.lower, [Fraction(0)] * CLASSES
    y[3] = Fraction(1)
    assert not case.violated_at(x, tuple(y))
    y[7] = Fraction(1)  # a tie
    assert case.violated_at(x, tuple(y)) and not case.violated_at((Fraction(1),) * 3, tuple(y))
