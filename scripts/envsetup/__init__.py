"""The set-up of a plain machine, with the standard library alone."""
