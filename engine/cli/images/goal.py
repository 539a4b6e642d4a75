"""What `acasxu images repair --certify` is to prove."""

from argparse import Namespace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import InputError

if TYPE_CHECKING:
    from engine.images.certify.service import Output
    from engine.images.classifier import Classifier
    from engine.images.poison import Backdoor
    from engine.images.repair.goal import Goal

OF_GOAL = ("contents", "at_most", "certify_images", "certify_timeout", "certificates")


def demand_goal(arguments: Namespace, classifier: "Classifier") -> None:
    """InputError where the options of a proof make no sense, before anything is repaired."""
    if arguments.certify is None:
        given = [name for name in OF_GOAL if getattr(arguments, name) is not None]
        if given:
            where = f"--{given[0].replace('_', '-')}"
            raise InputError("nothing is to be proved", where=where, advice="say --certify PATCH, too")
        return
    if arguments.at_most is not None and not 0 <= arguments.at_most < 100:
        raise InputError(f"it is {arguments.at_most:g}", where="--at-most", advice="say 0 or more, and less than 100")
    goal_of(arguments, classifier, None)
    folder: Path | None = arguments.certificates
    if folder is None or not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not arguments.force):
        raise InputError("this is no empty folder", where=f"--certificates {folder}", advice="name another, or --force")


def goal_of(arguments: Namespace, classifier: "Classifier", backdoor: "Backdoor | None") -> "Goal | None":
    """What is to be proved: of the backdoor's target, or that images keep their labels where none is known."""
    from engine.images.certify.family import read_contents, read_patch
    from engine.images.repair.goal import Goal

    if arguments.certify is None:
        return None
    most = Fraction(3) if arguments.at_most is None else Fraction(arguments.at_most)
    given = {"held_out": arguments.certify_images, "timeout": arguments.certify_timeout}
    return Goal(
        patch=read_patch(arguments.certify, classifier.shape, option="--certify"),
        contents=read_contents(arguments.contents or "any", classifier.scaling),
        target=backdoor.target if backdoor else None,
        most=most / 100,
        **{name: value for name, value in given.items() if value is not None},
    )


def proofs_of(arguments: Namespace) -> "Output | None":
    """Where the proofs go, if anywhere."""
    from engine.images.certify.service import Output

    if arguments.certificates is None:
        return None
    return Output(folder=arguments.certificates, certificates=True, force=True)
