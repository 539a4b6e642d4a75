"""The checker by itself: python -m engine.audit CERTIFICATE NETWORK PROPERTY [float64|exact]

Exit code 0: accepted, 1: rejected, 2: a file could not be read, or wrong usage, 70: internal error.
"""

import sys

from engine.audit.check import ARITHMETIC, check
from engine.audit.data import Malformed, plain


def main(arguments: list[str]) -> int:
    if len(arguments) not in (3, 4) or arguments[3:] not in ([], *([name] for name in ARITHMETIC)):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        result = check(*arguments[:3], arithmetic=(arguments[3:] or ["float64"])[0])
    except (Malformed, MemoryError) as error:
        print(
            f"unreadable: {error if isinstance(error, Malformed) else 'it needs more memory than there is'}"
        )
        return 2
    except Exception as error:  # must not look like a verdict
        print(f"internal error: {type(error).__name__}: {plain(str(error))}")
        return 70
    print(
        f"accepted: semantics {result.semantics}"
        if result.accepted
        else f"rejected: {result.reason}"
    )
    return 0 if result.accepted else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
