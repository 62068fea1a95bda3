"""
Make the environment that this project runs, tests and trains in, or bring it up to date.

    python3 scripts/setup_env.py [--python PYTHON] [--with test] ... [-- COMMAND ...]

The command, if there is one, is then run with the environment's executables first on PATH. It
needs nothing but Python itself. What is already done is left alone: a second run takes a fraction
of a second, and a run after an interrupted one goes on where that stopped.
"""

import argparse
import errno
import os
import sys

OLDEST = (3, 8)  # of the Python that runs this file; the one in the environment is chosen later


def parse_args(argv):
    from envsetup.plan import REQUIREMENT_SETS
    parser = argparse.ArgumentParser(
        prog='setup_env.py', description='Make or update the environment of this project.')
    parser.add_argument('--python', default='', help='the Python to make the environment with')
    parser.add_argument('--with', dest='sets', action='append', default=[],
                        choices=REQUIREMENT_SETS, help='a set of requirements to add')
    parser.add_argument('command', nargs='*', help='what to run in the environment')
    return parser.parse_args(argv)


def main(argv=None):
    """Return the exit code; every failure that a user can mend is one sentence."""
    if sys.version_info < OLDEST:
        return complain('The set-up needs Python 3.10 to 3.14, and python3 is {}.{} here: install '
                        'a newer one, or name it with PYTHON=.'.format(*sys.version_info[:2]))
    from envsetup import commands, machine, plan, run
    from envsetup.failures import SetupError
    args = parse_args(argv)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        chosen = plan.decide(root, os.environ, machine.facts(), args.python, args.sets)
        run.bring_up_to_date(chosen)
        if args.command:
            commands.become(chosen, args.command)
    except SetupError as error:
        return complain(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return complain('The disk is full: free 2 GB (8 GB with training) and run the same '
                            'command again.')
        return complain('{}: {}.'.format(error.filename or 'The set-up', error.strerror or error))
    except KeyboardInterrupt:
        complain('\nSet-up interrupted: the same command goes on where it stopped.')
        return 130
    return 0


def complain(sentence):
    """Print what the user has to do, and return the exit code that goes with it."""
    sys.stderr.write(sentence + '\n')
    return 1


if __name__ == '__main__':
    sys.exit(main())
