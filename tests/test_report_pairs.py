"""Counterexamples of several networks of ACAS Xu on the page: encounters, with each network's scores."""

import json
from dataclasses import replace

import pytest
from bench_runs import Here, bench

from engine.acasxu.encounter import describe_point
from engine.acasxu.manifest import nnet_manifest
from engine.bench.points import Assignment, Tensor
from engine.cli import main
from engine.report.encounters import seen, views
from engine.report.manifest import Manifest
from engine.report.names import Names, names_of
from engine.report.run_folder import read_run_folder

PAIR = "\"[('{}', '{}'), ('{}', '{}')]\",q.vnnlib,60\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory, standin_paths):
    """A run about a pair of stand-ins, named in the order of the question and in the other one, and about a copy."""
    folder = tmp_path_factory.mktemp("pairs")
    one, other = standin_paths["standin_tau_0"], standin_paths["standin_tau_80"]
    line = f"compare {one} {other} --equivalent 0.05 --property 3 --write {folder / 'q.vnnlib'}"
    assert main(line.split()) == 1
    assert main(f"convert {other} {folder / 'copy.nnet'}".split()) == 0
    rows = PAIR.format("f", one, "g", other) + PAIR.format("g", one, "f", other)
    (folder / "list.csv").write_text(rows + PAIR.format("f", one, "g", "copy.nnet"))
    with pytest.MonkeyPatch.context() as here:
        here.setattr("engine.bench.session.Workers", Here)
        assert bench(folder / "list.csv", folder / "out", "--report") == 0
    return read_run_folder(folder / "out")


def content(run) -> dict[str, dict]:
    return {row["network"]: row for row in json.loads((run.folder / "results.json").read_text())["instances"]}


def test_a_pair_of_known_networks_is_an_encounter(run):
    """The numbers are those of the assignment, whose outputs are in exact arithmetic."""
    found = content(run)["f=standin_tau_0.onnx+g=standin_tau_80.onnx"]
    assert "encounter" not in found
    tensors = {tensor["name"]: tensor["values"] for tensor in found["counterexample"]["tensors"]}
    for one, (x, y) in zip(found["encounters"], (("X", "Y"), ("U", "V")), strict=True):
        expected = describe_point(tensors[x], tensors[y])
        assert (one["inputs"], one["outputs"], one["executed"]) == (x, y, False)
        assert (one["distance_ft"], one["heading_deg_left"]) == (expected.distance, expected.heading)
        assert tuple(one["scores"]) == expected.scores and one["advisory"] == expected.advisory
    first, second = (one["scores"] for one in found["encounters"])
    assert max(abs(a - b) for a, b in zip(first, second)) > 0.05 * 373, "they refute the statement"


def test_on_the_page_both_networks_see_one_encounter(run):
    html, text = ((run.folder / f"report.{suffix}").read_text() for suffix in ("html", "md"))
    assert html.count('<svg class="sketch"') == 2, "one for each of two pairs"
    assert html.count("X, Y exactly") == html.count("U, V exactly") == 2
    assert html.count("<th>distance rho") == 2 and "With a stand-in network" in html
    rows = [line for line in text.splitlines() if " exactly | distance rho " in line]
    assert len(rows) == 4 and all(line.count("|") == 5 for line in rows)


def test_networks_that_are_not_known_keep_their_values(run):
    found = content(run)["standin_tau_0.onnx+copy.nnet"]
    assert "encounters" not in found and found["counterexample"]["tensors"]
    (row,) = (row for row in run.rows if "copy" in row.network)
    assert seen(run, row, run.points[row.number]) == ()


def known_pair(run):
    row = next(row for row in run.rows if "copy" not in row.network)
    point = run.points[row.number]
    assert isinstance(point, Assignment)
    return row, list(point.tensors)


def test_other_inputs_are_drawn_each(run):
    row, (x, y, u, v) = known_pair(run)
    moved = replace(u, values=(x.values[0] + 0.01, *u.values[1:]))
    assert [bool(view.picture) for view in views(seen(run, row, Assignment((x, y, u, v))))] == [True, False]
    assert [bool(view.picture) for view in views(seen(run, row, Assignment((x, y, moved, v))))] == [True, True]
    single = replace(y, element="float32")
    assert [one.executed for one in seen(run, row, Assignment((x, single, u, v)))] == [True, False]


@pytest.mark.parametrize("extra", [Tensor("H", "real", (5,), (0.5,) * 5), None])
def test_what_may_be_another_variable_is_no_encounter(run, extra):
    """A hidden tensor may have five elements, too; and a network that is equal to another one has no file."""
    row, tensors = known_pair(run)
    added = [tensors[0], extra, *tensors[1:]] if extra else [*tensors, *tensors[:2]]
    assert seen(run, row, Assignment(tuple(added))) == ()
    bad = replace(tensors[1], values=(float("inf"), *tensors[1].values[1:]))
    assert seen(run, row, Assignment((tensors[0], bad, *tensors[2:]))) == ()
    short = replace(tensors[0], values=tensors[0].values[:4])
    assert seen(run, row, Assignment((short, *tensors[1:]))) == ()


def test_nnet_files_are_known_in_normalized_units_alone():
    entry = nnet_manifest()[0]
    inputs = ((entry.name, entry.sha256),)

    def names(*options: tuple[str, str]) -> Names:
        return names_of(Manifest(inputs=inputs, options=options))

    identity = names().identity(entry.name)
    assert identity is not None and identity.is_published
    assert names().index(entry.name) is None, "the matrix of the 45 is about the ONNX files"
    assert names(("units", "raw")).identity(entry.name) is None
