"""`acasxu fetch`: the 45 networks."""

from argparse import Namespace

from engine.cli.output import DONE, answer
from engine.foreign import plain


def run(arguments: Namespace) -> int:
    """Downloads and checks what is missing."""
    from engine.acasxu.fetch import fetch, progress_bar
    from engine.acasxu.manifest import manifest

    with progress_bar() as progress:
        folder = fetch(source=arguments.source, target=arguments.target, progress=progress)
    answer(f"{len(manifest())} networks in {plain(folder)}, each as the manifest says")
    return DONE
