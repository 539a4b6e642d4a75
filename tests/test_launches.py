"""benchmarks/launches.py counts what a GPU would be given."""

from collections.abc import Callable

import pytest
import torch
from command_line import ROOT

Count = Callable[[Callable[[], object]], dict[str, int]]


@pytest.fixture
def count(monkeypatch) -> Count:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from launches import Counts, Launches, Synchronizations

    def counted(work: Callable[[], object]) -> dict[str, int]:
        counts = Counts()
        with Launches(counts), Synchronizations(counts):
            counts.of("some", work)()
        return {kind: n for (part, kind), n in counts.by_part.items() if part == "some"}

    return counted


def test_views_and_allocations_are_no_launches(count):
    x = torch.arange(6.0)
    assert count(lambda: x.view(2, 3)[0].unsqueeze(0).expand(4, -1)) == {}
    assert count(lambda: torch.empty(3)) == {}
    assert count(lambda: (x * 2).view(3, 2).add_(1)) == {"launches": 2}


def test_numbers_handed_to_python_are_synchronizations(count):
    x, places = torch.arange(6.0), torch.tensor([1, 2])
    assert count(x.tolist) == {"synchronizations": 1}
    assert count(lambda: x[x > 2])["synchronizations"] == 1
    assert count(lambda: bool((x > 2).any()))["synchronizations"] == 1
    assert "synchronizations" not in count(lambda: x[places])


def test_numbers_handed_over_are_uploads(count):
    assert count(lambda: torch.tensor([1, 2]))["uploads"] == 1
