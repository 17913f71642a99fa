"""Where the `switchboard` command begins: quiet from its first moment.

Loading the product takes a while; Ctrl-C in it would end in a stack trace through half-loaded modules.
"""

import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130
_TOLD = (
    b'{"job_id": null, "state": null, "error": {"code": "interrupted", "message": "interrupted",'
    b' "target": null, "details": []}}\n'
)


def main() -> None:
    """Load the command and run it."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
    from app.cli import main as command

    signal.signal(signal.SIGINT, before)
    command()


def _end(_number: int, _frame: FrameType | None) -> None:
    """Nothing has begun, so there is nothing to put in order."""
    if "--json" in sys.argv[1:]:
        os.write(sys.stdout.fileno(), _TOLD)
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
