"""`acasxu check` and the checker by itself, of certificates about several networks."""

import json

import pytest
from command_line import one_line
from joint_questions import JointQuestion
from test_audit_joint import BELOW, IDENTITY, LEAF, pair

from engine import check_certificate
from engine.audit.__main__ import main as alone
from engine.cli import main


@pytest.fixture
def question(tmp_path) -> JointQuestion:
    return pair(tmp_path, IDENTITY, BELOW, "0.2501").write(LEAF)


def named(question) -> list[str]:
    return [f"--network={name}={path}" for name, path in question.files.items()]


def check(question, *arguments) -> int:
    return main(["check", str(question.path), "--property", str(question.property), *map(str, arguments)])


def test_networks_by_name(question, capsys):
    assert check(question, *named(question)) == 0
    assert "accepted: proof.zip: query.vnnlib and f=f.onnx, g=g.onnx: the property holds" in capsys.readouterr().out
    assert check(question, *named(question), "--arithmetic", "exact", "--jobs", "2") == 0
    f, g = question.files.values()
    capsys.readouterr()
    assert check(question, "--network", f"f={g}", "--network", f"g={f}") == 1
    assert "it is about a network f with SHA-256" in capsys.readouterr().out


def test_networks_in_a_folder(question, capsys):
    assert check(question, "--network", question.folder) == 0
    assert "f=f.onnx, g=g.onnx" in capsys.readouterr().out
    (question.folder / "empty").mkdir()
    assert check(question, "--network", question.folder / "empty") == 2
    assert "no file in it has the SHA-256" in capsys.readouterr().out


def test_json(question, capsys):
    assert check(question, *named(question), "--json") == 0
    (content,) = json.loads(capsys.readouterr().out)
    assert content["networks"] == {name: str(path) for name, path in question.files.items()}
    assert content["sha256"]["networks"].keys() == {"f", "g"}


def test_one_network_alone(question, capsys):
    assert check(question, "--network", question.files["f"]) == 2
    assert "no file is given for its network g" in capsys.readouterr().out


@pytest.mark.parametrize("networks", [["f=a", "f=b"], ["a.onnx", "b.onnx"], ["f=a", "b.onnx"]])
def test_networks_that_are_not_told_apart(question, networks, capsys):
    assert check(question, *(f"--network={text}" for text in networks)) == 2
    assert "several networks are told apart by names, each given once" in one_line(capsys.readouterr().err)


def test_a_file_that_is_not_there(question, capsys):
    assert check(question, "--network=f=nothing.onnx", *named(question)[1:]) == 2
    assert "--network f=nothing.onnx" in one_line(capsys.readouterr().err)


def test_in_python(question):
    assert check_certificate(question.path, question.files, question.property).accepted


def test_the_checker_by_itself(question, capsys):
    files = [str(question.path), str(question.property)]
    networks = [word for text in named(question) for word in text.split("=", 1)]
    assert alone([*networks, *files]) == 0 and alone([*files, *networks, "exact"]) == 0
    f, g = question.files.values()
    assert alone([*files, "--network", f"f={g}", "--network", f"g={f}"]) == 1
    for wrong in (files, [*files, *networks[:2], *networks[:2]], [*files, "--network"], [*files, "--network", "f"]):
        assert alone(wrong) == 2
    assert alone([*files, *networks, "exact", "exact"]) == 2
    assert "python -m engine.audit CERTIFICATE" in capsys.readouterr().err
