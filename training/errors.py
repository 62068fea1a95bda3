"""How every training script ends when a user has asked for what cannot be."""

from __future__ import annotations

from collections.abc import Callable
import sys

from edge_vision.core.errors import UserError


def run(main: Callable[[], None]) -> None:
    """Call `main`; a UserError becomes one line on the error stream instead of a traceback."""
    try:
        main()
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
