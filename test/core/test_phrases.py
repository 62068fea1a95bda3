"""Sentences in three languages, and files that a user wrote."""
# ruff: noqa: RUF001  Chinese has a comma of its own

from edge_vision.core.errors import UserError
from edge_vision.core.speech.events import ARRIVED, Event, LEFT
from edge_vision.core.speech.phrases import FOLDER, languages, load_phrases
import pytest
import yaml


def came(total=1, where='ahead', near='near', name='person'):
    return Event(ARRIVED, name, total, 0.0, where, near)


def went(total=0, name='person'):
    return Event(LEFT, name, total, 0.0)


@pytest.mark.parametrize(('events', 'en', 'de', 'zh'), [
    ([came()], 'A person ahead, close.', 'Eine Person geradeaus, ganz nah.',
     '前面有一个人，很近。'),
    ([came(where='left', near='far')], 'A person on the left, further away.',
     'Eine Person links, weiter weg.', '左边有一个人，比较远。'),
    ([came(where='', near='')], 'A person.', 'Eine Person.', '有一个人。'),
    ([came(total=3)], 'A person ahead, close and 3 people in all.',
     'Eine Person geradeaus, ganz nah und zusammen 3 Personen.',
     '前面有一个人，很近，一共3个人。'),
    ([came(1), came(2)], '2 people ahead, close.', '2 Personen geradeaus, ganz nah.',
     '前面有2个人，很近。'),
    ([came(1, 'left'), came(2, 'right', 'far')],
     'A person on the left, close and a person on the right, further away.',
     'Eine Person links, ganz nah und eine Person rechts, weiter weg.',
     '左边有一个人，很近，右边有一个人，比较远。'),
    ([went()], 'A person has left.', 'Eine Person ist gegangen.', '一个人离开了。'),
    ([went(1), went(0)], '2 people have left.', '2 Personen sind gegangen.', '2个人离开了。'),
    ([went(1)], 'A person has left and a person is still there.',
     'Eine Person ist gegangen und eine Person ist noch da.', '一个人离开了，还有一个人。'),
    ([came(name='traffic_light')], 'Traffic light ahead, close.',
     'Traffic light geradeaus, ganz nah.', '前面有traffic light，很近。'),
    ([], '', '', '')], ids=lambda value: None if isinstance(value, str) else str(len(value)))
def test_one_sentence_for_what_happens_in_one_breath(events, en, de, zh):
    assert [load_phrases(one).announcement(events) for one in ('en', 'de', 'zh')] == [en, de, zh]


@pytest.mark.parametrize(('label', 'sentence'), [
    ('thumb_up', 'Daumen hoch.'), ('peace_sign', 'Peace sign.'), ('none', ''), ('', ''),
    ('{name}', '{name}.')])
def test_gestures(label, sentence):
    assert load_phrases('de').gesture(label) == sentence


def test_languages_that_are_shipped_are_whole_and_name_a_voice():
    assert languages() == ['de', 'en', 'zh']
    keys = {name: set(yaml.safe_load((FOLDER / f'{name}.yaml').read_text(encoding='utf-8')))
            for name in languages()}
    assert keys['de'] == keys['en'] == keys['zh']
    assert all(load_phrases(name).voices['espeak'] for name in languages())


@pytest.fixture
def copy(tmp_path):
    """Give a function that writes a copy of en.yaml with something changed."""
    def write(change):
        content = yaml.safe_load((FOLDER / 'en.yaml').read_text(encoding='utf-8'))
        change(content)
        path = tmp_path / 'fr.yaml'
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding='utf-8')
        return str(path)
    return write


def test_a_language_is_added_by_copying(copy):
    def french(content):
        content['names']['person'] = ['une personne', '{count} personnes']
        content['where']['left'] = 'à gauche'
    phrases = load_phrases('fr', copy(french))
    assert phrases.announcement([came(where='left')]) == 'Une personne à gauche, close.'


@pytest.mark.parametrize(('change', 'sentence'), [
    (lambda c: c.pop('left'), "lacks 'left', a pair"),
    (lambda c: c['near'].pop('far'), "lacks 'near: far', a text"),
    (lambda c: c.update(where='links'), "lacks 'where', a table"),
    (lambda c: c.update(where=None), "lacks 'where', a table"),
    (lambda c: c['names'].update(person='Person'), "lacks 'names: person', a pair"),
    (lambda c: c.update(arrived=['{who.__class__}', 'x']), "{who.__class__} in 'arrived'"),
    (lambda c: c.update(total=['{many}', 'x']), "{many} in 'total', where {who} would do"),
    (lambda c: c.pop('end'), "lacks 'end', a text")])
def test_what_is_missing_is_named_in_one_sentence(copy, change, sentence):
    with pytest.raises(UserError) as told:
        load_phrases('en', copy(change))
    assert sentence in str(told.value) and '\n' not in str(told.value)


@pytest.mark.parametrize(('content', 'sentence'), [
    (None, 'cannot be read: No such file'), (b'\xff\xfe\x00', 'no text in UTF-8'),
    (b'a: [', 'no YAML in line'), (b'- a\n- b', 'no table'), (b'', 'no table'),
    (b'!!python/object/apply:os.system ["true"]', 'no YAML')])
def test_files_that_are_no_phrases(tmp_path, content, sentence):
    path = tmp_path / 'broken.yaml'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        load_phrases('en', str(path))


@pytest.mark.parametrize('name', ['fr', '', '../core', 'en.yaml', 'EN'])
def test_a_language_that_is_not_there(name):
    with pytest.raises(UserError, match='de, en, zh would do'):
        load_phrases(name)
