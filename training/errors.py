"""The one exception for what a user can put right: `main` prints its sentence and exits with 2."""
from __future__ import annotations

from collections.abc import Callable
import sys


class InputError(ValueError):
    """A sentence that says what was found and what was expected."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; an InputError becomes one line on the error stream instead of a traceback."""
    try:
        main()
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
