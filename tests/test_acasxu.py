import csv
import math
from fractions import Fraction

import pytest

from engine.acasxu.domain import acasxu_domain
from engine.acasxu.encounter import describe_point
from engine.acasxu.networks import NETWORKS, NetworkIndex, file_name, network_index, recognize
from engine.acasxu.properties import PROPERTIES, benchmark_instances, specification
from engine.acasxu.quantities import ADVISORIES, COC, INPUTS, normalize_score, raw_score
from engine.errors import InputError


def test_the_45_networks():
    assert len(set(NETWORKS)) == 45
    assert file_name(3, 7) == NetworkIndex(3, 7).file_name == "ACASXU_run2a_3_7_batch_2000.onnx"
    assert [NetworkIndex(1, t).tau for t in range(1, 10)] == [0, 1, 5, 10, 20, 40, 60, 80, 100]
    assert [NetworkIndex(a, 1).previous_advisory for a in range(1, 6)] == list(ADVISORIES)


@pytest.mark.parametrize("text", ["3,7", "3_7", "N(3,7)", " n( 3 , 7 ) ", "3 , 7"])
def test_network_index_reads(text):
    assert network_index(text) == (3, 7)


@pytest.mark.parametrize(
    "text", ["", "3", "3,0", "6,1", "0,1", "1,10", "3,7,1", "N(3,7", "3 7", "-3,7", "a,b", "\u0663,7"]
)
def test_network_index_refuses(text):
    with pytest.raises(InputError, match="A,T"):
        network_index(text)


def test_network_index_reads_its_own_text():
    assert all(network_index(str(index)) == index for index in NETWORKS)


@pytest.mark.parametrize("index", NETWORKS)
def test_recognize_a_published_name(index):
    for path in (index.file_name, f"some/where/{index.file_name}.gz", rf"c:\nets\{index.file_name}"):
        assert recognize(path) == index


@pytest.mark.parametrize(
    "path",
    [
        "standin_tau_0.onnx",
        "ACASXU_run2a_6_1_batch_2000.onnx",
        "prop_1.vnnlib",
        "repaired_ACASXU_run2a_1_1_batch_2000.onnx",
        "ACASXU_run2a_1_1_batch_2000.onnx.part",
    ],
)
def test_other_names_are_not_recognized(path):
    assert recognize(path) is None


def test_normalization_is_exact_and_inverse():
    rho = INPUTS[0]
    assert rho.normalize(Fraction("55947.691")) == Fraction(6, 10)
    assert all(q.raw(q.normalize(Fraction("1.1"))) == Fraction("1.1") for q in INPUTS)
    assert raw_score(normalize_score(Fraction(1500))) == 1500
    assert float(raw_score(Fraction(0))) == pytest.approx(7.518884)


def test_every_property_has_boxes_and_networks():
    assert [spec.number for spec in PROPERTIES] == list(range(1, 11))
    for spec in PROPERTIES:
        assert set(spec.meant_for) <= set(spec.benchmark)
        for box in spec.normalized_boxes:
            assert len(box) == 5 and all(-1 < low <= high < 1 for low, high in box)


def test_where_properties_apply():
    meant = {spec.number: len(spec.meant_for) for spec in PROPERTIES}
    assert meant == {1: 45, 2: 36, 3: 42, 4: 42, 5: 1, 6: 1, 7: 1, 8: 1, 9: 1, 10: 1}
    assert specification(8).meant_for == ((2, 9),)
    assert (1, 7) not in specification(3).meant_for and (1, 7) in specification(3).benchmark


def test_there_is_no_eleventh_property():
    for number in (0, 11, -1):
        with pytest.raises(InputError):
            specification(number)


def test_the_benchmark_has_186_instances():
    assert len({(spec.number, network) for spec, network in benchmark_instances()}) == 186


def test_the_benchmark_is_the_official_one(acasxu_data):
    with (acasxu_data / "instances.csv").open() as file:
        official = [(network, prop) for network, prop, _ in csv.reader(file)]
    assert official == [(f"onnx/{n.file_name}", f"vnnlib/{s.name}.vnnlib") for s, n in benchmark_instances()]


def test_the_domain_is_the_hull():
    lower, upper = acasxu_domain().ends
    assert [float(v) for v in lower] == [-0.328422877, -0.5, -0.5, -0.5, -0.5]
    assert [float(v) for v in upper] == [0.700434925, 0.5, 0.5, 0.5, 0.5]


def test_describe_point_in_raw_units():
    encounter = describe_point([0.6, -0.25, 0.125, 0.5, -0.5], [0.1, 0.0, -0.1, 0.2, 0.3])
    assert encounter.distance == pytest.approx(55947.691)
    assert encounter.bearing == pytest.approx(-90) and encounter.heading == pytest.approx(45)
    assert (encounter.own_speed, encounter.intruder_speed) == (1200, 0)
    assert encounter.scores[1] == pytest.approx(7.518884)
    assert encounter.advisory == "weak right"
    for words in ("55947.7 ft", "90.00 degrees right", "45.00 degrees left", "1200.0 ft/s", "weak right"):
        assert words in str(encounter)


def test_the_first_of_equal_scores_is_the_advisory():
    assert describe_point([0.0] * 5, [0.0] * 5).advisory == ADVISORIES[COC]


@pytest.mark.parametrize("x, y", [([0.0] * 4, [0.0] * 5), ([0.0] * 5, [0.0] * 4)])
def test_describe_point_wants_five_and_five(x, y):
    with pytest.raises(ValueError):
        describe_point(x, y)


def test_angles_use_the_published_two_pi():
    assert math.isclose(float(INPUTS[1].range), 2 * math.pi, rel_tol=1e-11)
