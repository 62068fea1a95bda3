"""The one kind of error that a user, not a developer, has to read."""


class UserError(Exception):
    """A mistake in what the user asked for: one sentence: what was wrong, found, would do."""
