"""What the page does with speech: mute, and the viewer's browser as the voice."""

from __future__ import annotations

from edge_vision.nodes import qos
import pytest
from std_msgs.msg import String
from support import http, running, wait_for

pytest.importorskip('playwright.sync_api')
from test_page import browser, pytestmark, sync_api, tab_of  # noqa: F401

# the browser's own voice is replaced by one that only notes what it is given
LISTEN = """() => {
  window.said = [];
  speechSynthesis.speak = (one) => window.said.push([one.text, one.lang]);
}"""


@pytest.fixture(scope='module')
def nano():
    """Run everything without a detection to speak of; what is spoken comes from the test."""
    with running('nano', camera__fps=5.0, detector__model='hog', detector__classes=['person'],
                 speech__engine='silent', speech__announce=['nothing'],
                 overlay__port=0) as program:
        program.says('the page is at')
        yield program


@pytest.fixture(scope='module')
def say(ears, nano):
    with ears.speaking(String, '/say', qos.EVENT) as publisher:
        yield lambda text: publisher.publish(String(data=text))


def speech(nano):
    return http(nano.url + '/api/status').json['speech']


def lines(tab):
    return tab.page.locator('#spoken li').all_inner_texts()


def test_lines_are_added_and_the_last_five_are_shown(browser, nano, say):  # noqa: F811
    say('<b>before</b> anybody looked')
    with tab_of(browser, nano.url) as tab:
        tab.until(lambda: lines(tab), 'the line')
        assert lines(tab) == ['before anybody looked']
        for number in range(6):
            say(f'line {number}')
        tab.until(lambda: lines(tab) == [f'line {n}' for n in range(1, 6)], 'the last five')
        say('line 5')
        tab.until(lambda: lines(tab)[-2:] == ['line 5', 'line 5'], 'the same line again')
        assert not tab.complaints


def test_the_robot_is_muted_and_heard_again(browser, nano, say):  # noqa: F811
    with tab_of(browser, nano.url) as tab:
        mute = tab.page.locator('#mute')
        tab.click('Mute robot')
        sync_api.expect(mute).to_have_text('Unmute robot')
        sync_api.expect(mute).to_have_attribute('aria-pressed', 'true')
        assert speech(nano)['muted'] and speech(nano)['message'] == 'muted'
        say('told though muted')
        tab.until(lambda: 'told though muted' in lines(tab), 'the line')
        tab.click('Unmute robot')
        sync_api.expect(mute).to_have_attribute('aria-pressed', 'false')
        wait_for(lambda: not speech(nano)['muted'], 'it is heard again')
        assert not tab.complaints


def test_the_browser_speaks_new_lines_only_when_asked_and_remembers(browser, nano, say):  # noqa: F811
    with tab_of(browser, nano.url) as tab:
        tab.page.evaluate(LISTEN)
        say('not asked yet')
        tab.until(lambda: 'not asked yet' in lines(tab), 'the line')
        assert tab.page.evaluate('window.said') == []
        tab.click('Speak here')
        say('hello')
        tab.until(lambda: tab.page.evaluate('window.said') == [['hello', 'en']], 'the voice')
        tab.page.reload()
        button = tab.page.locator('#speak')
        sync_api.expect(button).to_have_attribute('aria-pressed', 'true')
        tab.page.evaluate(LISTEN)
        tab.page.locator('h1').click()  # a browser lets no page speak that was never touched
        say('after the reload')
        tab.until(lambda: tab.page.evaluate('window.said') == [['after the reload', 'en']],
                  'the voice, and no old line')
        tab.click('Speak here')
        say('quiet again')
        tab.until(lambda: 'quiet again' in lines(tab), 'the line')
        assert len(tab.page.evaluate('window.said')) == 1 and not tab.complaints
    with tab_of(browser, nano.url) as other:
        sync_api.expect(other.page.locator('#speak')).to_have_attribute('aria-pressed', 'false')


@pytest.mark.parametrize('width', [320, 390])
def test_the_buttons_fit_a_phone(browser, nano, say, width):  # noqa: F811
    with tab_of(browser, nano.url, viewport={'width': width, 'height': 700}) as tab:
        say('a word ' * 40)
        tab.until(lambda: lines(tab), 'a line')
        for name in ('#mute', '#speak'):
            box = tab.page.locator(name).bounding_box()
            assert box['x'] >= 0 and box['x'] + box['width'] <= width and box['height'] >= 28
        assert tab.page.evaluate('document.documentElement.scrollWidth') <= width


@pytest.mark.parametrize('body', [{'muted': 1}, {'enabled': True}, {}, b'[]', b'{"muted":'])
def test_bodies_that_are_no_wish_are_refused(nano, body):
    answer = http(nano.url + '/api/speech', body)
    assert answer.status == 400 and '{"muted": true}' in answer.text


def test_without_a_speech_node_the_page_says_so(ears):
    with running('overlay_node', port=0) as overlay:
        answer = http(overlay.url + '/api/speech', {'muted': True})
        assert (answer.status, answer.json['message']) == (503, 'the speech node is not there')
        assert http(overlay.url + '/api/status').json['speech']['alive'] is False
