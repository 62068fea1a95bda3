"""Sentences in a language, from a YAML file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import re
from typing import Any, Dict, List, Sequence

from edge_vision.core.errors import UserError
from edge_vision.core.speech.events import ARRIVED, Event, LEFT
from edge_vision.core.steady import is_gesture
import yaml

FOLDER = Path(__file__).resolve().parents[2] / 'phrases'
MOST_BYTES = 100_000  # a phrases file is a page of text
PAIRS = {'other': 'name count', 'arrived': 'who where near', 'left': 'who', 'total': 'who',
         'still': 'who'}
TEXTS = {'gesture': 'name', 'between': '', 'last': '', 'end': '', 'language': ''}
TABLES = {'voices': ('gtts', 'espeak'), 'where': ('left', 'ahead', 'right'),
          'near': ('near', 'middle', 'far'), 'names': (), 'gestures': ()}
COMMAS = ',;\uff0c'  # the last one is the Chinese comma


def languages() -> List[str]:
    """Name the languages that are shipped."""
    return sorted(path.stem for path in FOLDER.glob('*.yaml'))


def load_phrases(language: str, path: str = '') -> Phrases:
    """Read the phrases of a shipped language, or a file of the user's; UserError where not."""
    if path:
        return Phrases(_read(Path(path).expanduser()), str(path))
    if language not in languages():
        raise UserError(f"there are no phrases in the language '{language}'; "
                        f'{", ".join(languages())} would do, or a file of your own with the '
                        f'parameter phrases')
    return Phrases(_read(FOLDER / f'{language}.yaml'), f'{language}.yaml')


def _read(path: Path) -> Dict[str, Any]:
    try:
        with path.open(encoding='utf-8') as file:
            content = yaml.safe_load(file.read(MOST_BYTES))
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or 'it is no text in UTF-8'
        raise UserError(f'the phrases file {path} cannot be read: {reason}') from error
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        line = f' in line {mark.line + 1}' if mark else ''
        raise UserError(f'the phrases file {path} is no YAML{line}') from error
    if not isinstance(content, dict):
        raise UserError(f'the phrases file {path} holds no table of phrases; a copy of en.yaml '
                        f'would do')
    return content


def _fill(template: str, **words) -> str:
    # not str.format: a template could then reach into the objects that it is given
    for name, word in words.items():
        template = template.replace('{' + name + '}', str(word))
    return template


def _tidy(text: str) -> str:
    """Mend what an empty word leaves behind."""
    return re.sub(f'^[{COMMAS} ]+|[{COMMAS} ]+$', '',
                  re.sub(f' +([{COMMAS}])', r'\1', re.sub(r'\s+', ' ', text)))


class Phrases:
    """The phrases of one language; every method gives text to be spoken."""

    def __init__(self, content: Dict[str, Any], title: str):
        """Check that all is there; UserError that names the first thing that is not."""
        self._title = title
        for key in TEXTS:
            self._check(isinstance(content.get(key), str), key, 'a text')
        for key in PAIRS:
            self._check_pair(content.get(key), key)
        for key, names in TABLES.items():
            table = content[key] if isinstance(content.get(key), dict) else {}
            self._check(key in content and table is content[key], key, 'a table')
            for name in names:
                self._check(isinstance(table.get(name), str), f'{key}: {name}', 'a text')
        for name, pair in content['names'].items():
            self._check_pair(pair, f'names: {name}')
        for key, known in [*PAIRS.items(), *TEXTS.items()]:
            self._check_words(key, str(content[key]), known.split())
        self._content = content
        self.language: str = content['language']
        self.voices: Dict[str, str] = content['voices']

    def _check(self, is_good: bool, key: str, kind: str) -> None:
        if not is_good:
            raise UserError(f"the phrases file {self._title} lacks '{key}', {kind}; en.yaml has "
                            f'all that is needed')

    def _check_pair(self, pair, key: str) -> None:
        self._check(isinstance(pair, list) and len(pair) == 2
                    and all(isinstance(one, str) for one in pair), key, 'a pair [one, several]')

    def _check_words(self, key: str, text: str, known: Sequence[str]) -> None:
        unknown = [word for word in re.findall(r'{(.*?)}', text) if word not in known]
        if unknown:
            would_do = ', '.join('{' + word + '}' for word in known) or 'none'
            raise UserError(f"the phrases file {self._title} has {{{unknown[0]}}} in '{key}', "
                            f'where {would_do} would do')

    def _who(self, name: str, count: int) -> str:
        pair = self._content['names'].get(name, self._content['other'])
        return _fill(pair[count > 1], name=name.replace('_', ' '), count=count)

    def _part(self, key: str, name: str, count: int, where: str = '', near: str = '') -> str:
        content = self._content
        return _tidy(_fill(content[key][count > 1], who=self._who(name, count),
                           where=content['where'].get(where, ''),
                           near=content['near'].get(near, '')))

    def _sentence(self, parts: Sequence[str]) -> str:
        if not parts:
            return ''
        head = self._content['between'].join(parts[:-1])
        text = (head + self._content['last'] if head else '') + parts[-1]
        return text[:1].upper() + text[1:] + self._content['end']

    def announcement(self, events: Sequence[Event]) -> str:
        """Give one sentence for all that happened in one breath; '' for nothing."""
        came = Counter((e.name, e.where, e.near) for e in events if e.kind == ARRIVED)
        went = Counter(e.name for e in events if e.kind == LEFT)
        parts = [self._part('arrived', name, count, where, near)
                 for (name, where, near), count in came.items()]
        parts += [self._part('left', name, count) for name, count in went.items()]
        for name, total in {e.name: e.total for e in events}.items():
            new = sum(count for (other, _, _), count in came.items() if other == name)
            if new and total > new:
                parts.append(self._part('total', name, total))
            elif total and not new:
                parts.append(self._part('still', name, total))
        return self._sentence(parts)

    def gesture(self, label: str) -> str:
        """Give the sentence for a settled gesture; '' where there is none to speak of."""
        if not is_gesture(label):
            return ''
        name = str(self._content['gestures'].get(label, label.replace('_', ' ')))
        return self._sentence([_tidy(_fill(self._content['gesture'], name=name))])
