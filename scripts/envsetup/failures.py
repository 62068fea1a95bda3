"""What can go wrong outside of this project, and the one sentence that says what to do."""

import re

# The first pattern that the log of a failed command matches decides. pip speaks of the network
# first and of a package that it could not find last, so the network has to be looked for first.
SENTENCES = (
    (r'No space left on device|Errno 28',
     'The disk is full: free 2 GB (8 GB with training) and run the same command again'),
    (r'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|Read timed out'
     r'|Temporary failure in name resolution|Name or service not known|Network is unreachable'
     r'|Cannot connect to proxy|ProxyError|Connection (?:refused|reset|broken)|ProtocolError',
     'The Python package index cannot be reached: check the network (or the proxy settings) and '
     'run the same command again'),
    (r'SSLError|CERTIFICATE_VERIFY_FAILED',
     'The Python package index shows a certificate that this machine does not trust: mend the '
     'certificates (package ca-certificates) and run the same command again'),
    (r'No matching distribution found for (?P<what>\S+)',
     'The Python package index has no {what} for this Python and machine: choose another Python '
     '(3.10 to 3.14) with PYTHON='),
    (r'Python\.h: No such file|Could NOT find Python3? .*Development',
     'The headers of Python are missing: install the package python3-dev'),
    (r'(?:internal compiler error|c\+\+: fatal error): Killed|Killed signal terminated',
     'The compiler ran out of memory: close other programs and run the same command again'),
)


class SetupError(Exception):
    """A set-up that cannot go on; the text is one sentence for the user."""


def explain(log, doing, log_path):
    """Return the sentence for a command that failed, from what it printed."""
    for pattern, sentence in SENTENCES:
        found = re.search(pattern, log)
        if found:
            return '{} (details: {}).'.format(sentence.format(**found.groupdict()), log_path)
    return '{} failed: the reason is at the end of {}.'.format(doing, log_path)
