"""
Start the studio with what `make studio` was given, and end as it ends.

SOURCE, PORT and ARGS come as environment variables, so that no shell has to quote a URL.
"""

import os
import shlex
import sys

from foreground import run_in_foreground


def command(environ):
    """Return the command; raise ValueError with the sentence for the user."""
    words = [sys.executable, '-m', 'training.studio']
    if environ.get('SOURCE'):
        words += ['--source', environ['SOURCE']]
    port = environ.get('PORT', '')
    if port:
        if not port.isdigit():
            raise ValueError('PORT is {!r}, and has to be a number.'.format(port))
        words += ['--port', port]
    return words + shlex.split(environ.get('ARGS', ''))


def main():
    """Run the studio with the arguments that the environment asks for."""
    try:
        words = command(os.environ)
    except ValueError as error:
        sys.exit('make studio: {}'.format(error))
    return run_in_foreground(words)


if __name__ == '__main__':
    sys.exit(main())
