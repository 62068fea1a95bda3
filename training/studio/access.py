"""Who may use the studio, beside what edge_vision.web.access asks."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web


def is_local(host: str) -> bool:
    """Tell whether an address to bind is this machine's own."""
    try:
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_guard(bound: str):
    """
    Give the middleware that answers only to the name of this machine, where bound to it alone.

    A page of another site could otherwise let its own name point here, and would then be taken
    for the studio's page by the browser (DNS rebinding).
    """

    @web.middleware
    async def check(request: web.Request, handler):
        if is_local(bound):
            try:
                name = urlsplit(f'//{request.host}').hostname or ''
            except ValueError:
                name = ''
            if not is_local(name):
                raise web.HTTPForbidden(text='this page is for its own machine only\n')
        return await handler(request)

    return check


def same_origin(request: web.Request) -> bool:
    """Tell whether a WebSocket comes from our own page; browsers let any page open one."""
    origin = request.headers.get('Origin')
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:
        return False
