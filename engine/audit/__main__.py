"""The checker by itself: python -m engine.audit CERTIFICATE NETWORK PROPERTY [float64|exact]

About a query in VNN-LIB 2.0, NETWORK is --network NAME=FILE, once for each network but those that
are equal to another.

Exit code 0: accepted, 1: rejected, 2: a file could not be read, or wrong usage, 70: internal error.
"""

import sys

from engine.audit.check import ARITHMETIC, Networks, check
from engine.audit.data import Malformed, plain

USAGE = __doc__.strip()
ACCEPTED, REJECTED, UNREADABLE, INTERNAL_ERROR = 0, 1, 2, 70


def main(arguments: list[str]) -> int:
    """Says in one line what the certificate is worth; the exit code."""
    told = _told(arguments)
    if told is None:
        print(USAGE, file=sys.stderr)
        return UNREADABLE
    certificate, networks, prop, arithmetic = told
    try:
        result = check(certificate, networks, prop, arithmetic=arithmetic)
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
    print(f"accepted: semantics {result.semantics}")
    return ACCEPTED


def _told(arguments: list[str]) -> tuple[str, Networks, str, str] | None:
    """Certificate, networks, property and arithmetic; None where they are not told."""
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
    if len(files) != count or len(arithmetic) != 1 or arithmetic[0] not in ARITHMETIC:
        return None
    return files[0], named or files[1], files[-1], arithmetic[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
