"""The tutorial's Python runs as written, and prints what it says."""

import doc_blocks
import pytest

TUTORIAL = doc_blocks.ROOT / "docs" / "tutorial.md"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(doc_blocks.place(tmp_path))


def test_the_whole_tutorial(here):
    text = TUTORIAL.read_text().replace("timeout=5)", "timeout=1)")  # how long a bound of a change is improved
    assert len(doc_blocks.blocks(text)) == 7
    doc_blocks.run(text, {})


def test_what_is_printed_is_compared():
    doc_blocks.run("```python\nprint(1)\n```\n\n```text\n1\n```\n", {})
    for wrong in ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "```python\nprint(1)\n```\n\nText.\n"):
        with pytest.raises(AssertionError):
            doc_blocks.run(wrong, {})
