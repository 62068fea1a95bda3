"""
Start `nano` with what `make run` was given, and end as it ends.

SOURCE, MODEL, PORT and ARGS come as environment variables, so that no shell has to quote a URL.
"""

import os
import shlex
import sys

from foreground import run_in_foreground

PARAMETERS = {'SOURCE': 'camera:source', 'MODEL': 'detector:model', 'PORT': 'overlay:port'}


def arguments(environ, params_file):
    """Return the arguments of nano; raise ValueError with the sentence for the user."""
    words = ['--ros-args', '--params-file', params_file]
    for variable, parameter in PARAMETERS.items():
        value = environ.get(variable, '')
        if value:
            words += ['-p', '{}:={}'.format(parameter, yaml_value(variable, value))]
    return words + shlex.split(environ.get('ARGS', ''))


def yaml_value(variable, value):
    """Return a number for the port and a quoted string for the others: camera 0 is a name too."""
    if variable != 'PORT':
        return "'{}'".format(value.replace("'", "''"))
    if not value.isdigit():
        raise ValueError('PORT is {!r}, and has to be a number.'.format(value))
    return value


def main():
    """Run the command that is given, with the arguments that the environment asks for."""
    command, params_file = sys.argv[1:]
    try:
        words = arguments(os.environ, params_file)
    except ValueError as error:
        sys.exit('make run: {}'.format(error))
    return run_in_foreground([command] + words)


if __name__ == '__main__':
    sys.exit(main())
