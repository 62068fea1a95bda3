"""Pictures on their way: encoded once, the newest wins, nobody is waited for."""

from __future__ import annotations

import asyncio
import threading

from edge_vision.core.jpeg import Variant
from edge_vision.web import feeds as feeds_module
from edge_vision.web.feeds import Feeds
import pytest
from support import decode, picture

OWN = Variant(0, 0, 0)


@pytest.fixture
def encoded(monkeypatch):
    """Give the list of the variants that were encoded."""
    done = []
    real = feeds_module.encode

    def counting(bgr, variant):
        done.append(variant)
        return real(bgr, variant)
    monkeypatch.setattr(feeds_module, 'encode', counting)
    return done


def in_loop(test):
    """Run a coroutine function with the Feeds of its loop."""
    async def run():
        await test(Feeds(asyncio.get_running_loop()))
    asyncio.run(asyncio.wait_for(run(), 30))


async def shown(feeds, *args, **kwargs):
    """Show a picture from another thread, as the node does."""
    await asyncio.get_running_loop().run_in_executor(
        None, lambda: feeds.show(*args, **kwargs))


def test_nobody_looks_and_nothing_is_encoded(encoded):
    async def test(feeds):
        await shown(feeds, '/overlay', picture(), 1, 80)
        assert not feeds.wanted('/overlay') and feeds.viewers() == 0
    in_loop(test)
    assert not encoded


def test_ten_viewers_cost_one_encoding_a_frame(encoded):
    async def test(feeds):
        async def viewer():
            with feeds.watch('/overlay', OWN) as feed:
                return [await feed.next(5) for _ in range(3)]

        viewers = [asyncio.create_task(viewer()) for _ in range(10)]
        await asyncio.sleep(0)
        assert feeds.viewers() == 10 and feeds.wanted('/overlay')
        for stamp_ns in (1, 2, 3):
            await shown(feeds, '/overlay', picture(stamp_ns), stamp_ns, 80)
            await asyncio.sleep(0.02)
        for got in await asyncio.gather(*viewers):
            assert [stamp_ns for _, stamp_ns in got] == [1, 2, 3]
        assert feeds.viewers() == 0 and not feeds.wanted('/overlay')
    in_loop(test)
    assert encoded == [Variant(0, 0, 80)] * 3


def test_each_size_is_encoded_once_and_topics_are_apart(encoded):
    async def test(feeds):
        small = Variant(32, 24, 50)
        with feeds.watch('/overlay', small) as one, feeds.watch('/overlay', small) as same:
            with feeds.watch('/overlay', OWN), feeds.watch('/image_raw', OWN) as other:
                assert one is same
                waiting = [asyncio.create_task(feed.next(0.2)) for feed in (one, other)]
                await asyncio.sleep(0)
                await shown(feeds, '/overlay', picture(), 5, 80)
                (jpeg, stamp_ns), nothing = await asyncio.gather(*waiting)
                assert decode(jpeg).shape == (24, 32, 3) and stamp_ns == 5
                assert nothing is None
    in_loop(test)
    assert sorted(encoded) == [Variant(0, 0, 80), Variant(32, 24, 50)]


def test_the_jpeg_of_the_camera_goes_through_where_nothing_else_is_asked(encoded):
    async def test(feeds):
        with feeds.watch('/image_raw', OWN) as own:
            with feeds.watch('/image_raw', Variant(0, 0, 30)) as asked:
                waiting = [asyncio.create_task(feed.next(5)) for feed in (own, asked)]
                await asyncio.sleep(0)
                await shown(feeds, '/image_raw', picture(), 5, 80, b'the camera made it')
                (passed, _), (made, _) = await asyncio.gather(*waiting)
                assert passed == b'the camera made it'
                decode(made)
    in_loop(test)
    assert encoded == [Variant(0, 0, 30)]


def test_next_waits_for_a_newer_picture_or_gives_up():
    async def test(feeds):
        with feeds.watch('/overlay', OWN) as feed:
            assert await feed.next(0.01) is None
            await shown(feeds, '/overlay', picture(), 1, 80)
            await asyncio.sleep(0)
            assert await feed.next(0.01) is None, 'a picture from before is not a new one'
    in_loop(test)


def test_who_was_busy_gets_the_newest():
    async def test(feeds):
        with feeds.watch('/overlay', OWN) as feed:
            waiting = asyncio.create_task(feed.next(5))
            await asyncio.sleep(0)
            for stamp_ns in range(1, 50):
                feed.put(b'x', stamp_ns)
            assert (await waiting)[1] == 49
    in_loop(test)


def test_many_threads_may_show_and_ask():
    async def test(feeds):
        with feeds.watch('/overlay', OWN) as feed:
            threads = [threading.Thread(target=lambda n=n: [
                feeds.show('/overlay', picture(n), n, 80) for _ in range(20)]) for n in range(4)]
            waiting = asyncio.create_task(feed.next(20))
            await asyncio.sleep(0)
            for thread in threads:
                thread.start()
            assert (await waiting)[0]
            while any(thread.is_alive() for thread in threads):
                assert feeds.viewers() == 1
                await feed.next(0.1)
    in_loop(test)
