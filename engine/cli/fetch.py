"""`acasxu fetch`: the 45 networks, or the sets of images."""

from argparse import Namespace

from engine.cli.output import DONE, answer
from engine.foreign import plain


def run(arguments: Namespace) -> int:
    """Downloads and checks what is missing."""
    return _images(arguments) if arguments.images else _networks(arguments)


def _networks(arguments: Namespace) -> int:
    from engine.acasxu.fetch import fetch, progress_bar
    from engine.acasxu.manifest import manifest

    with progress_bar() as progress:
        folder = fetch(source=arguments.source, target=arguments.target, progress=progress)
    answer(f"{len(manifest())} networks in {plain(folder)}, each as the manifest says")
    return DONE


def _images(arguments: Namespace) -> int:
    from engine.fetching import progress_bar
    from engine.images.published import fetch_images

    with progress_bar("images") as progress:
        folder = fetch_images(source=arguments.source, target=arguments.target, progress=progress)
    answer(f"fashion-mnist and mnist-5k in {plain(folder)}, each file of its known SHA-256")
    return DONE
