"""The whole way in Chromium: from the empty page to a model that answers on the topic."""

from __future__ import annotations

from contextlib import contextmanager
import json
import os
import signal

from conftest import COLOURS, jpeg_of, picture_of, running_studio, tree_of
import cv2
from edge_vision.nodes import qos
import numpy as np
import pytest
from support import Ears, image_message, running, wait_for

CHROMIUM = '/usr/bin/chromium'
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--use-fake-ui-for-media-stream',
         '--use-fake-device-for-media-stream']
LIMIT_MS = 150_000
SMALL = {'size': 32, 'width': 8, 'repeat': 3, 'rate': 0.01}  # a net that learns in seconds
ORDER = ('none', 'up', 'down')

sync_api = pytest.importorskip('playwright.sync_api')
pytest.importorskip('torch')
pytestmark = [
    pytest.mark.browser, pytest.mark.timeout(900),
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason=f'{CHROMIUM} is not there')]


def video_of_colours(file) -> None:
    """Write MJPEG: each class is seen for a second and a half, at 20 pictures a second."""
    with open(file, 'wb') as video:
        for name in ORDER:
            for number in range(30):
                video.write(jpeg_of(picture_of(name, number, (320, 240))))


def video_of_spots(file) -> None:
    """Write MJPEG: a white spot rests for two seconds at each of eight places."""
    rng = np.random.default_rng(1)
    with open(file, 'wb') as video:
        for _ in range(8):
            x, y = rng.uniform(0.2, 0.8, 2)
            for _ in range(40):
                bgr = rng.integers(20, 50, (240, 320, 3), np.uint8)
                cv2.circle(bgr, (round(320 * x), round(240 * y)), 20, (255, 255, 255), -1)
                video.write(jpeg_of(bgr))


class Tab:
    """A page with all that it complained of."""

    def __init__(self, page, url: str):
        """Open it; what it asks to train is made small on the way."""
        self.page, self.complaints = page, []
        page.set_default_timeout(LIMIT_MS)
        page.on('console', lambda m: self.complaints.append(m.text)
                if m.type in ('error', 'warning') else None)
        page.on('pageerror', lambda error: self.complaints.append(str(error)))
        page.route('**/runs', self._smaller)
        page.goto(url + '/')

    def _smaller(self, route):
        wish = json.loads(route.request.post_data)
        route.continue_(post_data=json.dumps({**wish, **SMALL, 'epochs': wish['epochs']}))

    def click(self, name: str) -> None:
        """Press a button by what stands on it."""
        self.page.get_by_role('button', name=name, exact=True).first.click()

    def step(self, name: str) -> None:
        """Go to a step by its name."""
        self.page.locator('#steps a').filter(has_text=name).click()

    def says(self, selector: str, text: str) -> None:
        """Wait until an element holds a text."""
        sync_api.expect(self.page.locator(selector).first).to_contain_text(
            text, timeout=LIMIT_MS)

    def until(self, condition, what: str):
        """Wait while the browser goes on."""
        return wait_for(condition, what, LIMIT_MS / 1000,
                        lambda: self.page.locator('body').inner_text(),
                        lambda: self.page.wait_for_timeout(40))

    def seen(self, then: str = '') -> np.ndarray:
        """
        Give the live picture as the page shows it, uint8 (48, 64, 3), red first.

        then: what the page does with `pixels` before another picture can come.
        """
        values = self.page.evaluate("""() => {
            const canvas = document.createElement('canvas');
            canvas.width = 64; canvas.height = 48;
            const context = canvas.getContext('2d');
            context.drawImage(document.querySelector('.screen canvas'), 0, 0, 64, 48);
            const pixels = context.getImageData(0, 0, 64, 48).data;
            const at = (i) => pixels.slice(4 * i, 4 * i + 3);
            THEN
            return Array.from(pixels);
        }""".replace('THEN', then))
        return np.array(values, np.uint8).reshape(48, 64, 4)[..., :3]

    def colour(self, then: str = '') -> str:
        """Name the class that the live picture shows; '' where it shows none."""
        bgr = self.seen(then).mean((0, 1))[::-1]
        far = {name: np.abs(bgr - colour).max() for name, colour in COLOURS.items()}
        name = min(far, key=far.get)
        return name if far[name] < 30 else ''

    def camera(self) -> None:
        """Look through the browser's own camera."""
        self.page.get_by_label('Camera').select_option('browser')
        sync_api.expect(self.page.locator('.curtain').first).to_be_hidden(timeout=LIMIT_MS)


@contextmanager
def chromium(video):
    """Run a browser whose camera shows a video."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            *FLAGS, f'--use-file-for-fake-video-capture={video}'])
        yield browser
        browser.close()


def open_tab(browser, studio, **given) -> Tab:
    """Open the page as a browser of its own."""
    context = browser.new_context(permissions=['camera'],
                                  viewport={'width': 1280, 'height': 860}, **given)
    return Tab(context.new_page(), studio.url)


# a key down and up for the class whose colour is seen, in the order of ORDER
PRESS = """
    const [red, green, blue] = at(24 * 64 + 32);
    const wanted = WANTED;
    const i = [blue, green, red].findIndex((v) => v === Math.max(red, green, blue));
    if (wanted[i]) for (const kind of ['keydown', 'keyup']) {
        document.dispatchEvent(new KeyboardEvent(kind, { key: String(1 + i), bubbles: true }));
    }
"""


def collect_colours(tab: Tab, count: int) -> None:
    """Press the key of the class that is seen, until there are enough of each."""
    counts = tab.page.locator('.cat .count')
    for _ in range(300):
        have = [int(text) for text in counts.all_inner_texts()]
        if min(have) >= count:
            return
        tab.seen(PRESS.replace('WANTED', json.dumps([n < count for n in have])))
        tab.page.wait_for_timeout(250)
    pytest.fail(f'{have} collected')


def test_the_whole_way_for_categories(tmp_path, monkeypatch):
    from vision_msgs.msg import Classification
    video_of_colours(tmp_path / 'video.mjpeg')
    monkeypatch.setenv('EDGE_VISION_MODELS', str(tmp_path / 'models'))
    with running_studio(tmp_path) as studio, chromium(tmp_path / 'video.mjpeg') as browser:
        tab = open_tab(browser, studio)
        # 1. a project, its categories, and pictures by keys and by holding one
        tab.page.get_by_label('Name', exact=True).fill('thumbs')
        tab.click('Make project')
        for name in ORDER:
            tab.page.get_by_label('New category').fill(name)
            tab.page.keyboard.press('Enter')
            tab.says('.cats', name)
        tab.camera()
        tab.page.locator('h1').click()  # out of the field for names
        collect_colours(tab, 6)
        tab.page.wait_for_timeout(500)
        kept = tree_of(studio.projects / 'thumbs')
        for path, data in kept.items():  # what was seen is what was kept
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert np.abs(bgr.mean((0, 1)) - COLOURS[path.split('/')[1]]).max() < 30, path
        tab.until(lambda: tab.page.locator('.thumb img').count() == len(kept) >= 18, 'pictures')
        before = len(kept)
        tab.page.keyboard.down('1')
        tab.until(lambda: len(tree_of(studio.projects / 'thumbs')) > before + 3, 'a burst')
        tab.page.keyboard.up('1')
        tab.page.wait_for_timeout(600)
        burst = sorted(set(tree_of(studio.projects / 'thumbs')) - set(kept))
        assert len({path.rsplit('_', 1)[0] for path in burst}) == 1
        for _ in burst:
            tab.click('Undo')
            tab.says('#notice', 'Taken back: picture')
            tab.page.locator('#notice').evaluate('node => { node.textContent = ""; }')
        tab.until(lambda: tree_of(studio.projects / 'thumbs') == kept, 'all is taken back')
        # 2. training: the page may go, the worker and even the studio may be killed
        tab.step('Train')
        tab.page.get_by_label('Start from').select_option('none')
        tab.page.get_by_text('More: epochs').click()
        tab.page.get_by_label('Epochs').fill('25')
        tab.click('Train')
        tab.says('#sentence', 'epoch')
        tab.page.close()
        tab = open_tab(browser, studio)
        tab.page.locator('.projects a').filter(has_text='thumbs').click()
        tab.says('#working', 'training')
        tab.step('Train')
        tab.says('#sentence', 'epoch')
        tab.until(lambda: tab.page.locator('.curves path.loss').get_attribute('d'), 'curves')
        os.kill(studio.worker(), signal.SIGKILL)
        tab.says('#sentence', 'signal 9')
        tab.click('Go on')
        tab.says('#sentence', 'done:')
        assert tree_of(studio.projects / 'thumbs') == kept
        tab.until(lambda: not tab.page.locator('#working').is_visible(), 'the check is over')
        # 3. check: the matrix; a picture gets another label and is given back
        tab.step('Check')
        tab.says('table.matrix', 'down')
        tab.page.locator('.worst .card').first.get_by_role('button').nth(1).click()
        tab.until(lambda: tree_of(studio.projects / 'thumbs') != kept, 'another label')
        tab.click('Undo')
        tab.until(lambda: tree_of(studio.projects / 'thumbs') == kept, 'the old label')
        # 4. live: what the model says follows what is seen
        tab.step('Try live')
        tab.camera()
        right = set()

        def agrees():
            name = tab.colour()
            if name and tab.page.locator('#best').inner_text().startswith(f'{name} '):
                right.add(name)
            return len(right) == 3
        tab.until(agrees, 'each class is told')
        # 5. compressed, side by side
        tab.step('Compress')
        tab.click('Compress')
        rows = tab.page.locator('table tbody tr')
        tab.until(lambda: rows.count() == 5, 'five models')
        tab.until(lambda: all('%' in text for text in tab.page.locator(
            'table [data-word]').all_inner_texts()), 'each says what it sees')
        tab.until(lambda: not tab.page.locator('#working').is_visible(), 'the end')
        # 6. on the robot, and back
        with running('gesture_node', fingertip_model='', rate_hz=20.0) as node:
            ears = Ears()
            try:
                with ears.hearing(Classification, '/gesture', qos.RESULT) as heard, \
                        tab_speaking(ears) as say:
                    tab.step('Deploy')
                    tab.click('Deploy')
                    tab.says('main', 'Deployed:')
                    assert '# gesture' in (tmp_path / 'models' / 'gesture.md').read_text()

                    def answered():
                        say(picture_of('up', 99, (320, 240)))
                        best = [max(m.results, key=lambda r: r.score) for m in heard
                                if m.results]
                        return [r for r in best if r.class_id == 'up' and r.score > 0.5]
                    ears.until(answered, 'up on the topic gesture', 60, lambda: node.output)
                    tab.click('Take it out')
                    tab.says('main', 'taken out')
                    assert not (tmp_path / 'models' / 'gesture.onnx').exists()
                    tab.click('Put it back')
                    tab.until((tmp_path / 'models' / 'gesture.onnx').exists, 'it is back')
            finally:
                ears.close()
        assert tab.complaints == []


@contextmanager
def tab_speaking(ears):
    """Give what publishes a picture to the nodes."""
    from sensor_msgs.msg import Image
    with ears.speaking(Image, '/image_raw', qos.SENSOR) as camera:
        yield lambda bgr: camera.publish(image_message(bgr))


# a click in the middle of the white spot that is seen
CLICK = """
    let [n, x, y] = [0, 0, 0];
    for (let i = 0; i < 64 * 48; i += 1) {
        if (Math.min(...at(i)) > 200) { n += 1; x += i % 64; y += Math.floor(i / 64); }
    }
    const shown = document.querySelector('.screen canvas');
    const box = shown.getBoundingClientRect();
    const scale = Math.min(box.width / shown.width, box.height / shown.height);
    const across = (v, side, size) => side / 2 + (v - 0.5) * size * scale;
    if (n > 20) shown.dispatchEvent(new PointerEvent('pointerdown', {
        clientX: box.left + across((x / n + 0.5) / 64, box.width, shown.width),
        clientY: box.top + across((y / n + 0.5) / 48, box.height, shown.height) }));
"""


def test_the_whole_way_for_points(tmp_path):
    video_of_spots(tmp_path / 'video.mjpeg')
    with running_studio(tmp_path) as studio, chromium(tmp_path / 'video.mjpeg') as browser:
        tab = open_tab(browser, studio)
        tab.page.get_by_label('Name', exact=True).fill('tips')
        tab.page.get_by_text('Where is the fingertip?').click()
        tab.click('Make project')
        tab.says('.prompt', 'Click where index is')
        tab.camera()
        counts = lambda: studio.ask('/api/projects/tips')['counts']['A']  # noqa: E731
        while counts()['labelled'] < 8:
            tab.seen(CLICK)
            tab.page.wait_for_timeout(700)
        for row in studio.ask('/api/projects/tips/pictures', set='A')['pictures']:
            bgr = cv2.imread(str(studio.projects / 'tips' / 'A' / row['file']))
            rows, columns = np.nonzero(bgr.min(2) > 200)
            true = columns.mean() / bgr.shape[1], rows.mean() / bgr.shape[0]
            assert np.hypot(*np.subtract(row['points']['index'], true)) < 0.03
        # the studio is killed while the page is open; the page finds it again
        before = tree_of(studio.projects / 'tips')
        port = studio.url.rpartition(':')[2]
        studio.kill()
        tab.says('#state', 'no connection')
        with running_studio(tmp_path, '--port', port) as studio:
            tab.says('#state', 'connected')
            assert tree_of(studio.projects / 'tips') == before
            # a click in the dialog moves a point, and undo moves it back
            tab.page.locator('.thumb button.open').first.click()
            tab.page.locator('dialog img').click(position={'x': 5, 'y': 5})
            tab.until(lambda: tree_of(studio.projects / 'tips') != before, 'the point is moved')
            tab.click('Close')
            tab.click('Undo')
            tab.until(lambda: tree_of(studio.projects / 'tips') == before, 'it is moved back')
            tab.step('Train')
            tab.page.get_by_label('Start from').select_option('none')
            tab.page.get_by_text('More: epochs').click()
            tab.page.get_by_label('Epochs').fill('4')
            tab.click('Train')
            tab.says('#sentence', 'done:')
            tab.step('Try live')
            tab.says('#best', 'index')
            assert tab.page.locator('.screen circle.point').count() == 1
            tab.until(lambda: not tab.page.locator('#working').is_visible(), 'the check is over')
            tab.step('Check')
            tab.says('main', 'Mean error')
            tab.step('Deploy')
            tab.click('Deploy')
            tab.says('main', 'Deployed:')
            assert (tmp_path / 'models' / 'fingertip.onnx').exists()
        lost = ('ERR_CONNECTION', 'WebSocket', 'ERR_INCOMPLETE', 'Failed to load')
        assert [c for c in tab.complaints if not any(word in c for word in lost)] == []


def test_two_browsers_see_each_others_changes(studio, tmp_path):
    video_of_colours(tmp_path / 'video.mjpeg')
    path = studio.make('shared', categories=['up'])
    with chromium(tmp_path / 'video.mjpeg') as browser:
        one, two = open_tab(browser, studio), open_tab(browser, studio)
        for tab in (one, two):
            tab.page.goto(f'{studio.url}/#/shared/collect')
            tab.says('.cats', 'up')
        one.page.get_by_label('New category').fill('down')
        one.page.keyboard.press('Enter')
        two.says('.cats', 'down')
        studio.fill(path, 1, ['up'])
        for tab in (one, two):
            tab.says('.cat .count', '1')
            tab.until(lambda t=tab: t.page.locator('.thumb').count() == 1, 'its picture')
        assert not two.page.locator('#undo').is_visible()  # nothing of it is its own
        one.page.get_by_label('New category').fill('a/b')
        one.page.keyboard.press('Enter')
        one.says('#notice', "because of its '/'")


@pytest.mark.parametrize('width', [320, 390, 768])
def test_a_phone_shows_all_without_scrolling_sideways(studio, tmp_path, width):
    name = f'phone{width}'
    path = studio.make(name, categories=[*ORDER, 'x' * 40])
    studio.fill(path, 1)
    video_of_colours(tmp_path / 'video.mjpeg')
    with chromium(tmp_path / 'video.mjpeg') as browser:
        tab = open_tab(browser, studio)
        tab.page.set_viewport_size({'width': width, 'height': 800})
        for step in ('', f'{name}/collect', f'{name}/train', f'{name}/check', f'{name}/live',
                     f'{name}/compress', f'{name}/deploy'):
            tab.page.goto(f'{studio.url}/#/{step}')
            tab.page.wait_for_timeout(300)
            assert tab.page.evaluate('document.documentElement.scrollWidth') <= width, step


def test_what_others_named_is_text(studio, tmp_path):
    nasty = '<img src=x onerror="document.title=1">'
    folder = studio.projects / 'nasty'
    for name in (nasty, 'up'):
        (folder / name).mkdir(parents=True)
        (folder / name / '1.jpg').write_bytes(jpeg_of(picture_of('up')))
    video_of_colours(tmp_path / 'video.mjpeg')
    with chromium(tmp_path / 'video.mjpeg') as browser:
        tab = open_tab(browser, studio)
        tab.page.goto(f'{studio.url}/#/nasty/collect')
        tab.says('.cats', nasty)
        tab.until(lambda: tab.page.locator('.thumb').count() == 2, 'the pictures')
        assert tab.page.title() == 'nasty - studio' and tab.page.locator('.cats img').count() == 0
