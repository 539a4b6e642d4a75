"""Where networks are looked for."""

from pathlib import Path

import pytest

from engine.acasxu import files as data
from engine.acasxu.files import download_folder, find_networks, network_path, property_path, standins
from engine.acasxu.networks import NETWORKS, file_name
from engine.errors import InputError

NAME = file_name(3, 3)


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    """No ACASXU_DATA, and an empty folder of downloads."""
    monkeypatch.delenv("ACASXU_DATA", raising=False)
    monkeypatch.setattr(data, "download_folder", lambda: tmp_path / "fetched")


def holding(folder: Path, name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"network")
    return folder


def test_nothing_found_is_none():
    assert find_networks() is None


def test_option_then_environment_then_downloads(monkeypatch, tmp_path):
    fetched, named, given = (holding(tmp_path / name) for name in ("fetched", "named", "given"))
    assert find_networks() == fetched
    monkeypatch.setenv("ACASXU_DATA", str(named))
    assert find_networks() == named
    assert find_networks(given) == find_networks(str(given)) == given


def test_networks_may_lie_in_onnx(monkeypatch, tmp_path):
    folder = holding(tmp_path / "benchmark" / "onnx")
    assert find_networks(tmp_path / "benchmark") == find_networks(folder) == folder


def test_what_is_named_must_hold_networks(monkeypatch, tmp_path):
    holding(tmp_path / "fetched")
    holding(tmp_path / "other", "other.onnx")
    for folder in (tmp_path / "missing", tmp_path / "other"):
        with pytest.raises(InputError, match="^--data: neither .* holds ACAS Xu networks"):
            find_networks(folder)
        monkeypatch.setenv("ACASXU_DATA", str(folder))
        with pytest.raises(InputError, match="^ACASXU_DATA: neither"):
            find_networks()


@pytest.mark.parametrize("name", [NAME, f"{NAME}.gz"])
def test_network_path(tmp_path, name):
    assert network_path(3, 3, data=holding(tmp_path / "d", name)) == tmp_path / "d" / name


def test_a_missing_network_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="acasxu fetch"):
        network_path(3, 3)
    with pytest.raises(InputError, match=f"{file_name(1, 1)} is missing; run `acasxu fetch`"):
        network_path(1, 1, data=holding(tmp_path / "d"))


def test_property_paths():
    assert all(property_path(number).is_file() for number in range(1, 11))
    with pytest.raises(InputError, match="no ACAS Xu property 11"):
        property_path(11)


def test_standins_are_there_and_never_taken_for_the_real_ones():
    assert len(standins()) == 3
    assert all(path.name.startswith("standin_") for path in standins())
    with pytest.raises(InputError):
        find_networks(standins()[0].parent)


def test_downloads_go_to_the_checkout_else_to_the_cache(monkeypatch, tmp_path):
    assert download_folder().parts[-2:] == ("networks", "acasxu")
    monkeypatch.setattr(data, "_CHECKOUT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert download_folder() == tmp_path / "cache" / "acasxu"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert download_folder() == tmp_path / ".cache" / "acasxu"


def test_the_published_folder_is_complete(acasxu_networks):
    assert all(network_path(*index, data=acasxu_networks).is_file() for index in NETWORKS)
