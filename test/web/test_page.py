"""The page in a real browser, with the whole system behind it."""

from __future__ import annotations

from contextlib import contextmanager
import os
import socket
from urllib.parse import urlsplit

from edge_vision.nodes import qos
import pytest
from sensor_msgs.msg import Image
from support import decode, http, image_message, picture, running, SHIPPED, wait_for, YOLOX

CHROMIUM = '/usr/bin/chromium'
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
         '--disable-component-update', '--disable-sync']
LIMIT_MS = 40_000

sync_api = pytest.importorskip('playwright.sync_api')
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason=f'{CHROMIUM} is not there')]


def model() -> str:
    """Name a model that finds the person of the demo picture."""
    if SHIPPED.exists():
        return 'person'
    return str(YOLOX) if YOLOX.exists() else 'hog'


@pytest.fixture(scope='module')
def browser():
    """Run Chromium."""
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope='module')
def nano():
    """Run everything on the demo picture."""
    with running('nano', camera__fps=10.0, detector__model=model(), detector__threads=1,
                 overlay__port=0) as program:
        program.says('the page is at')
        yield program


class Tab:
    """A page with all that it complained of and asked for."""

    def __init__(self, page):
        """Listen."""
        self.page = page
        page.set_default_timeout(LIMIT_MS)
        self.complaints, self.hosts = [], set()
        page.on('console', lambda m: self.complaints.append(m.text)
                if m.type in ('error', 'warning') else None)
        page.on('pageerror', lambda error: self.complaints.append(str(error)))
        page.on('request', lambda r: self.hosts.add(urlsplit(r.url).netloc))

    def state_is(self, word: str) -> None:
        """Wait until the pill says the word."""
        sync_api.expect(self.page.locator('#state')).to_have_text(word, timeout=LIMIT_MS)

    def pixels(self):
        """Give the picture as the browser shows it, shrunk; None while there is none."""
        return self.page.evaluate("""() => {
            const picture = document.getElementById('picture');
            if (!picture.naturalWidth) return null;
            const canvas = document.createElement('canvas');
            canvas.width = 64; canvas.height = 48;
            const context = canvas.getContext('2d');
            context.drawImage(picture, 0, 0, 64, 48);
            return Array.from(context.getImageData(0, 0, 64, 48).data);
        }""")

    def changes(self) -> None:
        """Wait until the picture has changed."""
        first = self.until(self.pixels, 'a picture')
        self.until(lambda: self.pixels() not in (None, first), 'another picture')

    def until(self, condition, what: str):
        """Wait while the browser goes on."""
        return wait_for(lambda: self.page.wait_for_timeout(50) or condition(), what)

    def click(self, name: str) -> None:
        """Press a button by what stands on it."""
        self.page.get_by_role('button', name=name, exact=True).click()


@contextmanager
def tab_of(browser, url: str, **context):
    """Open a page in a context of its own."""
    opened = browser.new_context(**context)
    try:
        tab = Tab(opened.new_page())
        tab.page.goto(url + '/' if '?' not in url else url)
        yield tab
    finally:
        opened.close()


@pytest.fixture(scope='module')
def tab(browser, nano):
    """Give the page that most tests share; none of them may make it complain."""
    with tab_of(browser, nano.url, viewport={'width': 1200, 'height': 800}) as shared:
        yield shared


def clients(nano) -> int:
    return http(nano.url + '/api/status').json['clients']


def test_the_picture_moves(tab):
    tab.state_is('live')
    tab.changes()
    sync_api.expect(tab.page.locator('#curtain')).to_be_hidden()


@pytest.mark.skipif(model() == 'hog', reason='no model that finds the person is there')
def test_the_person_is_listed(tab):
    found = tab.page.locator('#detections li').filter(has_text='person').first
    sync_api.expect(found).to_contain_text('%', timeout=LIMIT_MS)
    assert int(tab.page.locator('#count').inner_text()) >= 0


def test_the_figures_are_shown(tab):
    for name, words in (('camera-fps', '/s'), ('camera-size', '640'), ('camera-size', '480'),
                        ('detector-fps', '/s'), ('latency', 'ms'), ('inference', 'ms'),
                        ('provider', 'cpu')):
        sync_api.expect(tab.page.locator(f'#{name}')).to_contain_text(words, timeout=LIMIT_MS)
    sync_api.expect(tab.page.locator('#clients')).to_have_text('1 watching', timeout=LIMIT_MS)


def test_stop_and_start(tab, nano):
    tab.changes()
    box = tab.page.locator('#picture').bounding_box()
    tab.click('Stop camera')
    tab.state_is('stopped')
    curtain = tab.page.locator('#curtain')
    sync_api.expect(curtain).to_have_text('the camera is stopped', timeout=LIMIT_MS)
    sync_api.expect(curtain).to_be_visible()
    tab.until(lambda: clients(nano) == 0, 'the stream ends')
    sync_api.expect(tab.page.locator('#detections')).to_have_text('no picture to look at')
    assert tab.page.locator('#picture').bounding_box() == box, 'the page jumps'
    tab.click('Start camera')
    tab.state_is('live')
    tab.changes()
    sync_api.expect(curtain).to_be_hidden(timeout=LIMIT_MS)


def test_the_other_picture(tab, nano):
    tab.click('Camera')
    assert 'topic=/image_raw' in tab.page.locator('#picture').get_attribute('src')
    camera = tab.page.get_by_role('button', name='Camera', exact=True)
    assert camera.get_attribute('aria-pressed') == 'true'
    tab.changes()
    saved = http(nano.url + tab.page.locator('#save').get_attribute('href'))
    assert saved.status == 200 and decode(saved.body).shape == (480, 640, 3)
    tab.click('Overlay')
    tab.changes()
    tab.until(lambda: clients(nano) == 1, 'the other stream ends')


HIDE = """hidden => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_hidden_page_costs_nothing(tab, nano):
    tab.page.evaluate(HIDE, True)
    tab.until(lambda: clients(nano) == 0, 'the stream ends')
    tab.page.evaluate(HIDE, False)
    tab.until(lambda: clients(nano) == 1, 'the stream is back')
    tab.changes()


def test_the_console_is_silent_and_nobody_else_is_asked(tab, nano):
    assert tab.complaints == []
    assert tab.hosts == {urlsplit(nano.url).netloc}


@pytest.mark.parametrize('width', [320, 390, 768])
def test_a_phone_shows_all_without_scrolling_sideways(browser, nano, width):
    with tab_of(browser, nano.url, viewport={'width': width, 'height': 800}) as tab:
        tab.state_is('live')
        tab.until(tab.pixels, 'a picture')
        assert tab.page.evaluate('document.documentElement.scrollWidth') <= width
        for name in ('Stop camera', 'Overlay', 'Camera', 'Full screen'):
            box = tab.page.get_by_role('button', name=name, exact=True).bounding_box()
            assert box['x'] >= 0 and box['x'] + box['width'] <= width, name
        picture = tab.page.locator('#picture').bounding_box()
        assert picture['width'] > 0.8 * width
        assert abs(picture['width'] / picture['height'] - 640 / 480) < 0.1


def test_a_server_that_goes_and_comes_back(browser):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    parameters = {'camera__fps': 10.0, 'camera__width': 160, 'camera__height': 120,
                  'detector__model': 'hog', 'overlay__port': port}
    words = ['--ros-args', '-r', '__ns:=/second']
    with running('nano', *words, **parameters) as first:
        with tab_of(browser, first.url) as tab:
            tab.state_is('live')
            tab.changes()
            assert first.stop() == 0
            tab.state_is('no connection')
            curtain = tab.page.locator('#curtain')
            sync_api.expect(curtain).to_contain_text('no connection', timeout=LIMIT_MS)
            with running('nano', *words, **parameters) as second:
                second.says('the page is at')
                tab.state_is('live')
                tab.changes()
                sync_api.expect(curtain).to_be_hidden(timeout=LIMIT_MS)


def test_pictures_of_another_camera_node_are_shown(browser, ears):
    words = ['--ros-args', '-r', '__ns:=/foreign']
    with running('overlay_node', *words, port=0) as program, tab_of(browser, program.url) as tab, \
            ears.speaking(Image, '/foreign/image_raw', qos.SENSOR) as camera:
        tab.state_is('no picture')
        tab.click('Camera')

        def shown():
            camera.publish(image_message(picture()))
            return tab.pixels()

        tab.until(shown, 'a picture')
        tab.state_is('live')
        sync_api.expect(tab.page.locator('#toggle')).to_be_hidden()


def test_the_page_with_a_token(browser, ears):
    words = ['--ros-args', '-r', '__ns:=/locked']
    with running('overlay_node', *words, port=0, token='open sesame') as program:
        url = program.url
        with tab_of(browser, url + '/?token=open%20sesame') as tab:
            sync_api.expect(tab.page.locator('#curtain')).to_have_text(
                'the camera node is not there', timeout=LIMIT_MS)
            tab.page.goto(url + '/')  # the cookie is enough now
            tab.state_is('no picture')
            assert tab.page.locator('#toggle').is_disabled()
            what_others_say_is_text(tab, ears)
            assert tab.complaints == []
        with tab_of(browser, url) as tab:
            assert 'token' in tab.page.locator('body').inner_text()


def what_others_say_is_text(tab, ears):
    from std_msgs.msg import String
    nasty = '<img src=x onerror="document.title=1">'
    with ears.speaking(String, '/locked/spoken', qos.EVENT) as spoken:
        spoken.publish(String(data=nasty))
        line = tab.page.locator('#spoken li').last
        sync_api.expect(line).to_have_text(nasty, timeout=LIMIT_MS)
    assert tab.page.title() == 'edge_vision' and tab.page.locator('#spoken img').count() == 0
