"""Advisory maps, against single points worked out by hand; and their pictures."""

import math
import re
import sys
from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import network, random_network

from engine.acasxu.files import property_path
from engine.acasxu.quantities import ADVISORIES, COC, WEAK_LEFT, WEAK_RIGHT
from engine.acasxu.view import RANGE, EncounterView, encounter_views
from engine.cli import main
from engine.comparison.decision import Decision
from engine.comparison.maps import NOWHERE, coordinates, decision_maps
from engine.errors import InputError
from engine.picture import advisory_maps
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

TURN, PI = 6.28318530718, math.pi
MEANS, RANGES = (19791.091, 0, 0, 650, 600), (60261, TURN, TURN, 1100, 1200)


def sides(*, shift: float = 0.0):
    """COC scores 0, weak left shift - theta, weak right theta: who is on the left is avoided to the left, and ties
    go to COC. All others score 9.
    """
    weight = np.zeros((5, 5))
    weight[WEAK_LEFT, 1], weight[WEAK_RIGHT, 1] = -1, 1
    return network([weight], [[0, shift, 0, 9, 9]], name="sides")


def box(number: int):
    return load_property(property_path(number))


@pytest.mark.parametrize(
    "x, y, rho, theta",
    [
        (0, 10_000, 10_000, 0),
        (-10_000, 0, 10_000, PI / 2),
        (10_000, 0, 10_000, -PI / 2),
        (-3000, 4000, 5000, math.atan(3 / 4)),
        (3000, -4000, 5000, -PI + math.atan(3 / 4)),
        (-1e-9, -500, 500, PI),
    ],
)
def test_places_as_the_networks_see_them(x, y, rho, theta):
    (found,) = EncounterView("", 0.5, 650.0, 1200.0).inputs_at(np.array([float(x)]), np.array([float(y)]))
    expected = [(rho - 19791.091) / 60261, theta / TURN, 0.5 / TURN, 0.0, 0.5]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_coordinates_are_middles_of_equal_parts():
    assert coordinates(3.0, 3).tolist() == [-2, 0, 2]
    assert coordinates(8.0, 4).tolist() == [-6, -2, 2, 6]


def test_left_is_left_and_ahead_is_up():
    found = advisory_maps(sides(), sides(), [], size=9)[0].before
    assert (found[4, 0], found[4, 8]) == (WEAK_LEFT, WEAK_RIGHT)
    assert found[8, 4] == found[4, 4] == COC, "a tie, ahead and at the origin: the first of equals"
    assert found[0, 4] == WEAK_RIGHT, "straight behind theta is -pi"
    assert found[0, 0] == found[0, 8] == found[8, 0] == found[8, 8] == NOWHERE


def test_maps_against_single_points():
    before, after = random_network((5, 20, 5), seed=2), random_network((5, 20, 5), seed=3)
    for found in advisory_maps(before, after, [box(2), box(5)], size=12):
        place = coordinates(found.view.radius, 12)
        fixed = (found.view.psi, found.view.v_own, found.view.v_int)
        for i, y in enumerate(place):
            for j, x in enumerate(place):
                raw = (math.hypot(x, y), math.atan2(-x, y), *fixed)
                point = [(v - m) / r for v, m, r in zip(raw, MEANS, RANGES)]
                for net, advisories in ((before, found.before), (after, found.after)):
                    expected = net.evaluate(point).argmin() if raw[0] <= found.view.radius else NOWHERE
                    assert advisories[i, j] == expected


def test_differences_are_counted():
    """With theta at most 0.1 turns on the left, weak left scores more than COC once 0.1 is added to it."""
    found = advisory_maps(sides(), sides(shift=0.1), [], size=40)[0]
    place = coordinates(RANGE, 40)
    shown = [(x, y) for y in place for x in place if math.hypot(x, y) <= RANGE]
    expected = sum(0 < math.atan2(-x, y) < 0.1 * TURN for x, y in shown)
    assert (found.points, found.changed) == (len(shown), expected) and expected > 0
    assert advisory_maps(sides(), sides(), [], size=40)[0].changed == 0


def test_encounter_views():
    head_on, crossing, middle = encounter_views([box(1), box(2)])
    assert (head_on.psi, crossing.psi) == (pytest.approx(PI, abs=1e-6), -PI / 2)
    assert middle.name == "middle of the box of prop_1, prop_2", "they share their box"
    assert (middle.psi, middle.v_own, middle.v_int) == pytest.approx((0, 1172.5, 30), abs=1e-5)
    *_, whole, near = encounter_views([box(3)])
    assert whole.radius == RANGE and near.radius == pytest.approx(3600, abs=1e-3)
    assert (whole.psi, whole.v_own, whole.v_int) == pytest.approx(((3.1 + PI) / 2, 1090, 1080), abs=1e-5)


def test_boxes_are_shown_where_they_are_in_view():
    head_on, crossing, middle, near = advisory_maps(sides(), sides(), [box(3)], size=4)
    assert not crossing.view.sectors
    for found in (head_on, middle, near):
        (sector,) = found.view.sectors
        ends = (sector.near, sector.far, sector.right, sector.left)
        assert ends == pytest.approx((1500, 1800, -0.06, 0.06), abs=1e-3)
    sectors = advisory_maps(sides(), sides(), [box(6)], size=4)[-1].view.sectors
    assert len(sectors) == 2 and sectors[0].far == RANGE, "the box goes on to 62000 ft"


def test_other_shapes_are_refused():
    small = random_network((2, 6, 2), seed=0)
    with pytest.raises(InputError, match="random_0: .* need ACAS Xu's 5 inputs and 5 outputs, here are 2 and 2"):
        advisory_maps(sides(), small, [])
    with pytest.raises(InputError, match="here are 2 and 1"):
        advisory_maps(sides(), sides(), [prop(case([0, 0], [1, 1], [row([1])]))])


class Halves:
    """Any network's plane: X_0 is x, X_2 is y, and X_1 is fixed; only the right half is shown."""

    radius = 2.0

    def shows(self, x, y):
        return x > 0

    def inputs_at(self, x, y):
        return np.column_stack([x, np.full(len(x), 0.25), y])


@pytest.mark.parametrize("decision", [Decision.LOWEST, Decision.HIGHEST])
def test_any_network_has_maps_of_a_view(decision):
    before, after = random_network((3, 8, 4), seed=0), random_network((3, 8, 4), seed=1)
    (found,) = decision_maps(before, after, [Halves()], decision=decision, size=6)
    place = coordinates(2.0, 6)
    for net, decided in ((before, found.before), (after, found.after)):
        for i, y in enumerate(place):
            for j, x in enumerate(place):
                outputs = net.evaluate([x, 0.25, y])
                best = outputs.argmin() if decision is Decision.LOWEST else outputs.argmax()
                assert decided[i, j] == (best if x > 0 else NOWHERE)
    assert (found.points, found.changed) == (18, (found.before != found.after).sum())


# Pictures


@pytest.fixture
def files(tmp_path) -> list[str]:
    """Two networks."""
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / f"{name}.onnx").write_bytes(executable(random_network((5, 6, 5), seed=seed)).onnx_bytes)
    return [str(tmp_path / "a.onnx"), str(tmp_path / "b.onnx")]


QUICK = ("--points", "10", "--grid", "2", "--domain", "acasxu")


def test_compare_draws(files, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "maps.png"
    path.write_text("of an earlier run")
    assert main(["compare", *files, *QUICK, "--picture", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert f"advisory maps in {path}" in capsys.readouterr().err
    assert {each.name for each in tmp_path.iterdir()} == {"a.onnx", "b.onnx", "maps.png"}


def test_repair_names_the_files_in_its_picture(files, tmp_path, monkeypatch):
    """Not "before: before"."""
    pytest.importorskip("matplotlib")
    named = []
    monkeypatch.setattr("engine.picture.write_picture", lambda path, maps, *, names: named.append(names))
    spec = tmp_path / "holds.vnnlib"
    spec.write_text(
        property_text(
            prop(case([0] * 5, [Fraction(1, 10)] * 5, [row([1, 0, 0, 0, 0], 10**6, n_inputs=5)]), n_outputs=5)
        )
    )
    command = [
        "repair",
        files[0],
        str(spec),
        "--out",
        str(tmp_path / "mended.onnx"),
        "--picture",
        str(tmp_path / "maps.png"),
        "--samples",
        "100",
        "--grid",
        "2",
        "--domain",
        "acasxu",
    ]
    assert main(command) == 0
    assert named == [("a.onnx", "mended.onnx")]


@pytest.mark.parametrize("form, magic", [("png", b"\x89PNG\r\n\x1a\n"), ("pdf", b"%PDF-"), ("svg", b"<?xml")])
def test_forms(form, magic):
    pytest.importorskip("matplotlib")
    from engine.picture import picture_bytes

    maps = advisory_maps(sides(), sides(), [], size=8)[:1]
    assert picture_bytes(maps, names=("a", "b"), form=form).startswith(magic)


def test_the_picture_says_what_differs():
    pytest.importorskip("matplotlib")
    from engine.picture import picture_bytes

    same, other = (advisory_maps(sides(), sides(shift=shift), [], size=8)[0] for shift in (0.0, 0.1))
    text = picture_bytes([same, other], names=("a", "b $x_$"), form="svg").decode()
    assert f"difference: none differs of {same.points} points" in text
    assert f"difference: {other.changed} of {other.points} points" in text and other.changed
    assert "after: b $x_$" in text
    for words in ("before: a", "head-on, fast", *ADVISORIES):
        assert re.search(rf"^ *(<!-- )?{words}( -->)?$", text, re.M)


def test_without_matplotlib(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    path = tmp_path / "maps.png"
    path.write_text("of an earlier run")
    assert main(["compare", *files, *QUICK, "--picture", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--picture: pictures need matplotlib, which is not installed; install it" in line
    assert path.read_text() == "of an earlier run"


def test_bad_paths(files, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    (tmp_path / "link.png").symlink_to(files[0])
    for path, words in (
        (files[0], "not as .onnx"),
        (tmp_path / "link.png", "not as .onnx"),
        (tmp_path / "no" / "maps.png", "cannot be written"),
    ):
        assert main(["compare", *files, *QUICK, "--picture", str(path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "--picture" in line and words in line


def test_networks_of_another_shape(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "a.onnx"
    path.write_bytes(executable(random_network((2, 6, 2), seed=0)).onnx_bytes)
    assert main(["compare", str(path), str(path), *QUICK, "--picture", str(tmp_path / "maps.png")]) == 2
    assert "it has 2 inputs and 2 outputs, ACAS Xu's networks have 5 and 5" in capsys.readouterr().err
    assert not (tmp_path / "maps.png").exists()


@pytest.mark.parametrize("command", ["compare", "repair"])
def test_no_maps_of_what_is_not_known_to_be_acas_xu_s(files, tmp_path, capsys, command):
    """Five inputs and five outputs are no proof, and neither is a name. It is said before any work is done."""
    pytest.importorskip("matplotlib")
    net = tmp_path / "ACASXU_run2a_1_1_batch_2000.onnx"
    net.write_bytes(open(files[0], "rb").read())
    rest = [files[1]] if command == "compare" else [str(property_path(1)), "--out", str(tmp_path / "out.onnx")]
    assert main([command, str(net), *rest, "--picture", str(tmp_path / "maps.png")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--picture: maps show ACAS Xu's encounters, and this is not known to be one of its networks" in line
    assert not (tmp_path / "maps.png").exists()
