"""What the page shows of gestures and the fingertip, with the whole system behind it."""

from __future__ import annotations

import cv2
from edge_vision.core.draw import FINGERTIP, PALETTE
from gesture_files import coloured, save_classifier, save_pointer
import numpy as np
import pytest
from support import decode, http, running, wait_for

pytest.importorskip('playwright.sync_api')
from test_page import browser, LIMIT_MS, pytestmark, sync_api, tab_of  # noqa: F401

NOTHING = '\N{EN DASH}'
TIP_XY = (50, 471)  # of a picture of 640x480 with so much blue and green


@pytest.fixture(scope='module')
def nano(tmp_path_factory):
    """Run everything with a camera that always shows a thumb that is up."""
    folder = tmp_path_factory.mktemp('thumb')
    cv2.imwrite(str(folder / 'up.png'), coloured('thumb_up', (640, 480)))
    with running('nano', camera__source=str(folder), camera__fps=10.0, detector__model='hog',
                 gesture__model=save_classifier(folder / 'gesture.onnx'), gesture__rate_hz=10.0,
                 gesture__fingertip_model=save_pointer(folder / 'fingertip.onnx'),
                 overlay__port=0) as program:
        program.says('the page is at')
        yield program


def shows(tab, name, words):
    sync_api.expect(tab.page.locator(f'#{name}')).to_have_text(words, timeout=LIMIT_MS)


def test_gesture_scores_event_and_fingertip_are_on_the_page(browser, nano):  # noqa: F811
    with tab_of(browser, nano.url) as tab:
        shows(tab, 'settled', 'thumb_up')
        shows(tab, 'fingertip', '{}, {}'.format(*TIP_XY))
        shows(tab, 'gesture', 'thumb_up 100 %')
        rows = tab.page.locator('#gestures li')
        assert rows.first.inner_text().startswith('thumb_up')
        values = rows.locator('meter').evaluate_all('all => all.map((one) => one.value)')
        assert len(values) == 3 and values[0] > 0.9 > 0.1 > values[1] >= values[2]
        sync_api.expect(tab.page.locator('#gesture-fps')).to_contain_text('/s')
        sync_api.expect(tab.page.locator('#gesture-message')).to_be_hidden()
        assert tab.complaints == []


def test_both_are_drawn_on_the_picture(nano):
    def drawn():
        bgr = decode(http(nano.url + '/snapshot?topic=/overlay').body).astype(int)
        x, y = TIP_XY
        around = np.abs(bgr[y - 25:y + 9, x - 25:x + 25] - FINGERTIP).max(2) < 50
        bar = np.abs(bgr[-3, :60] - PALETTE[0]).max(1) < 50
        return around.sum() > 30 and bar.sum() > 10
    wait_for(drawn, 'a cross-hair and a bar')


def test_a_pause_is_told_and_the_scores_go(browser, nano, ears):  # noqa: F811
    with tab_of(browser, nano.url) as tab:
        shows(tab, 'settled', 'thumb_up')
        ears.enable('gesture', False)
        try:
            shows(tab, 'settled', 'none')
            shows(tab, 'gesture-message', 'paused')
            shows(tab, 'gesture', NOTHING)
            shows(tab, 'fingertip', NOTHING)
            assert tab.page.locator('#gestures li').count() == 0
        finally:
            ears.enable('gesture', True)
        shows(tab, 'settled', 'thumb_up')


def test_a_missing_model_is_told_and_without_the_node_nothing(browser, nano, ears):  # noqa: F811
    words = ['--ros-args', '-r', '__ns:=/bare']
    with running('overlay_node', *words, port=0) as overlay, \
            tab_of(browser, overlay.url) as tab:
        tab.state_is('no picture')
        sync_api.expect(tab.page.locator('#gesture-card')).to_be_hidden()
        with running('gesture_node', *words, model='', fingertip_model=''):
            sync_api.expect(tab.page.locator('#gesture-message')).to_contain_text(
                'there is nothing to look with', timeout=LIMIT_MS)
