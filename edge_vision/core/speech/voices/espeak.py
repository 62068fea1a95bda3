"""espeak-ng, which speaks a hundred languages without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from typing import List, Optional

from edge_vision.core.errors import UserError
from edge_vision.core.speech.voices.base import Voice, VoiceError, Wish

PROGRAM = 'espeak-ng'
WORDS_PER_MINUTE = 165  # at rate 1.0
LIMITS_WPM = (80, 450)  # those of espeak-ng
TIMEOUT_S = 5.0  # it takes 0.03 s
LANGUAGE = re.compile(r'[A-Za-z][A-Za-z0-9_-]{0,30}(\+[A-Za-z0-9]{1,20})?')  # such as en-us+f3


class Espeak(Voice):
    """Runs the program for each line: the text goes in by a pipe, a WAV file comes out."""

    name = 'espeak'

    def command(self, wish: Wish) -> List[str]:
        """Give the words of the command; nothing of the text is among them, and no shell is."""
        language = wish.languages.get(self.name, 'en')
        if not LANGUAGE.fullmatch(language):
            raise UserError(f"'{language}' is no language of espeak-ng; en-us or de would do")
        low, high = LIMITS_WPM
        words_per_minute = min(high, max(low, round(WORDS_PER_MINUTE * wish.rate)))
        return [shutil.which(PROGRAM) or PROGRAM, '--stdin', '--stdout', '-b', '1',
                '-v', language, '-s', str(words_per_minute)]

    def sound_of(self, text: str, wish: Wish, cancelled: threading.Event) -> Optional[bytes]:
        """Give a WAV file."""
        return self._run(text, wish)

    def _run(self, text: str, wish: Wish) -> bytes:
        try:
            done = subprocess.run(self.command(wish), input=text.encode('utf-8', 'replace'),
                                  capture_output=True, timeout=TIMEOUT_S)
        except FileNotFoundError as error:
            raise VoiceError('espeak-ng is not installed ("sudo apt install espeak-ng" does '
                             'it)') from error
        except (OSError, subprocess.TimeoutExpired, UserError) as error:
            raise VoiceError(f'espeak-ng does not run: {error}') from error
        if done.returncode or len(done.stdout) < 44:  # the header of a WAV file
            said = done.stderr.decode(errors='replace').strip().splitlines() or ['no sound']
            raise VoiceError(f'espeak-ng does not speak: {said[0]}')
        return done.stdout

    def check(self, wish: Wish) -> None:
        """Raise UserError for a language that espeak-ng does not know."""
        self.command(wish)
        if shutil.which(PROGRAM) is None:
            return
        try:
            self._run('a', wish)
        except VoiceError as error:
            if 'voice does not exist' in str(error):
                raise UserError(f"espeak-ng does not speak '{wish.languages.get(self.name)}' "
                                f'("espeak-ng --voices" lists what it speaks)') from error
