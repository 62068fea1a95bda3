"""Text from strangers, made fit to be spoken."""

from __future__ import annotations

import re
from typing import Tuple

MOST_CHARACTERS = 300  # half a minute of speech; nobody listens to more
MOST_READ = 4 * MOST_CHARACTERS  # of a text that is longer, the rest is not even looked at

# control, format and private characters, surrogates; and the signs with which engines are told
# something: SSML and HTML tags, eSpeak's [[phonemes]], its escapes, and bars and braces of others
_UNSPOKEN = re.compile('[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff'
                       '\ufff9-\uffff\ud800-\udfff\ue000-\uf8ff<>\\[\\]{}|\\\\^`~*_#=&]')
_TAG = re.compile(r'<[^<>]{0,200}>')


def speakable(text: str, most: int = MOST_CHARACTERS) -> Tuple[str, bool]:
    """
    Give the text without control characters and mark-up, and whether it had to be cut.

    It is cut at a word's end, to at most `most` characters.
    """
    start = text[:MOST_READ]
    clean = ' '.join(_UNSPOKEN.sub(' ', _TAG.sub(' ', start)).split())
    is_cut = len(clean) > most or (len(text) > MOST_READ and bool(text[MOST_READ:].strip()))
    if len(clean) > most:
        clean = clean[:most + 1].rpartition(' ')[0] or clean[:most]
    return clean, is_cut
