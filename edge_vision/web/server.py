"""The web server in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import inspect
import threading
from typing import Any, Awaitable, Callable, Dict, Optional, Tuple

from aiohttp import web
from edge_vision.core.errors import UserError
from edge_vision.web.access import guard
from edge_vision.web.board import Board
from edge_vision.web.feeds import Feeds
from edge_vision.web.routes import Routes

# since aiohttp 3.9 the runner takes it, before (ROS 2 Humble has 3.8) the site
CLOSE_WITHIN: Dict[str, Any] = {'shutdown_timeout': 0.5}  # seconds, for connections in use
IN_RUNNER = 'shutdown_timeout' in inspect.signature(web.BaseRunner.__init__).parameters

Switch = Callable[[bool], Awaitable[Tuple[bool, str]]]


def why_not(host: str, port: int, error: Exception) -> str:
    """Tell in one sentence why an address cannot be had."""
    number = getattr(error, 'errno', None)
    if number == errno.EADDRINUSE:
        return (f'port {port} of {host} is in use by another program; another port would do, '
                f'or 0 for any free one')
    if number == errno.EACCES:
        return f'port {port} needs more rights; one from 1024 on would do'
    reason = getattr(error, 'strerror', None) or error
    return (f"the page cannot be served at '{host}' port {port}: {reason}; "
            f'127.0.0.1 (this machine) or 0.0.0.0 (all) would do')


class Server:
    """
    Serves `board` and the pictures given to `feeds` at http://host:port/.

    set_camera(enabled) and set_muted(muted) are awaited in the server's loop and answer (done,
    sentence).
    topics: full topic name by the name in a URL. After the start, `port` is the real one.
    """

    def __init__(self, host: str, port: int, token: str, max_clients: int, board: Board,
                 topics, set_camera: Switch, set_muted: Optional[Switch] = None):
        """Bind and start; UserError where the address cannot be had."""
        self.host, self.port = host, port
        self._loop = asyncio.new_event_loop()
        self.feeds = Feeds(self._loop)
        self._app = web.Application(middlewares=[guard(token)])
        Routes(self.feeds, board, topics, max_clients, set_camera, set_muted).add_to(self._app)
        self._runner = web.AppRunner(self._app, access_log=None, **(
            CLOSE_WITHIN if IN_RUNNER else {}))
        self._thread = threading.Thread(target=self._loop.run_forever, name='web', daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._bind(), self._loop).result(10)
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that DNS cannot carry
            self.close()
            raise UserError(why_not(host, port, error)) from error

    async def _bind(self):
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, **(
            {} if IN_RUNNER else CLOSE_WITHIN))
        await site.start()
        self.port = self._runner.addresses[0][1]

    def close(self, timeout_s: float = 2.0) -> None:
        """Close all connections and end the thread."""
        if self._loop.is_closed():
            return
        try:
            asyncio.run_coroutine_threadsafe(
                self._runner.cleanup(), self._loop).result(timeout_s)
        except concurrent.futures.TimeoutError:  # another class than TimeoutError before 3.11
            pass  # a connection that does not close in time goes with the process
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._loop.close()
