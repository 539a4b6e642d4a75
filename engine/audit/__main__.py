"""The checker by itself: python -m engine.audit CERTIFICATE NETWORK PROPERTY [float64|exact]

Exit code 0: accepted, 1: rejected, 2: a file could not be read, or wrong usage, 70: internal error.
"""

import sys

from engine.audit.check import ARITHMETIC, check
from engine.audit.data import Malformed, plain

USAGE = __doc__.strip()
ACCEPTED, REJECTED, UNREADABLE, INTERNAL_ERROR = 0, 1, 2, 70


def main(arguments: list[str]) -> int:
    """Says in one line what the certificate is worth; the exit code."""
    files, arithmetic = arguments[:3], arguments[3:] or ["float64"]
    if len(files) != 3 or len(arithmetic) != 1 or arithmetic[0] not in ARITHMETIC:
        print(USAGE, file=sys.stderr)
        return UNREADABLE
    certificate, network, prop = files
    try:
        result = check(certificate, network, prop, arithmetic=arithmetic[0])
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
