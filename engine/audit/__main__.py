"""The checker by itself: python -m engine.audit CERTIFICATE NETWORK PROPERTY [float64|exact]

About a query in VNN-LIB 2.0, NETWORK is --network NAME=FILE, once for each network but those that
are equal to another. About images, PROPERTY is --images FILE, and --labels FILE where the images
are not in a CSV file with their labels.

Exit code 0: accepted, 1: rejected, 2: a file could not be read, or wrong usage, 70: internal error.
"""

import sys
from collections.abc import Callable
from functools import partial

from engine.audit.check import ARITHMETIC, Result, check
from engine.audit.failures import Malformed, plain
from engine.audit.images.check import ImagesResult, check_images

USAGE = __doc__.strip()
ACCEPTED, REJECTED, UNREADABLE, INTERNAL_ERROR = 0, 1, 2, 70


def main(arguments: list[str]) -> int:
    """Says in one line what the certificate is worth; the exit code."""
    checked = _told(list(arguments))
    if checked is None:
        print(USAGE, file=sys.stderr)
        return UNREADABLE
    try:
        result = checked()
    except Malformed as error:
        print(f"unreadable: {error}")
        return UNREADABLE
    except MemoryError:
        print("unreadable: it needs more memory than there is")
        return UNREADABLE
    except Exception as error:  # must not look like a verdict
        print(f"internal error: {type(error).__name__}: {plain(str(error))}")
        return INTERNAL_ERROR
    if not result.accepted:
        print(f"rejected: {result.reason}")
        return REJECTED
    what = f": {result}" if isinstance(result, ImagesResult) else ""
    print(f"accepted: semantics {result.semantics}{what}")
    return ACCEPTED


def _told(arguments: list[str]) -> Callable[[], Result | ImagesResult] | None:
    """The check that the arguments ask for; None where they ask for none."""
    images, labels = _taken(arguments, "--images"), _taken(arguments, "--labels")
    if images is not None:
        return _told_images(arguments, images, labels)
    words, rest = iter(arguments), []
    named: dict[str, str] = {}
    for word in words:
        if word != "--network":
            rest.append(word)
            continue
        name, equals, path = next(words, "").partition("=")
        if not (name and equals and path) or name in named:
            return None
        named[name] = path
    count = 2 if named else 3
    files, arithmetic = rest[:count], rest[count:] or ["float64"]
    if len(files) != count or not _is_one(arithmetic) or labels is not None:
        return None
    return partial(check, files[0], named or files[1], files[-1], arithmetic=arithmetic[0])


def _told_images(
    arguments: list[str], images: str, labels: str | None
) -> Callable[[], ImagesResult] | None:
    """The check of a certificate about images, given the other arguments."""
    files, arithmetic = arguments[:2], arguments[2:] or ["float64"]
    if len(files) != 2 or not _is_one(arithmetic):
        return None
    certificate, network = files
    return partial(check_images, certificate, network, images, labels, arithmetic=arithmetic[0])


def _taken(arguments: list[str], option: str) -> str | None:
    """The value of an option, which is taken out of the arguments; None where it is not there."""
    if option not in arguments[:-1]:
        return None
    at = arguments.index(option)
    value = arguments[at + 1]
    del arguments[at : at + 2]
    return value


def _is_one(arithmetic: list[str]) -> bool:
    return len(arithmetic) == 1 and arithmetic[0] in ARITHMETIC


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
