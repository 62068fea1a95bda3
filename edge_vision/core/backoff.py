"""Growing pauses between tries."""


class Backoff:
    """Pause lengths in seconds: the first, doubled after each failure up to the longest."""

    def __init__(self, first_s: float, longest_s: float = 30.0):
        """Set the first and the longest pause, in seconds."""
        self._first_s = first_s
        self._longest_s = max(longest_s, first_s)
        self._next_s = first_s

    def next_s(self) -> float:
        """Seconds to wait now; the next call answers with twice as much."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return pause_s

    def reset(self) -> None:
        """Start again from the first pause: something worked."""
        self._next_s = self._first_s
