"""Who may use the page."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from aiohttp import web

COOKIE = 'edge_vision_token'
OPEN_PATHS = ('/healthz',)  # for supervisors; tells nothing but the state of the flow


def _given_tokens(request: web.Request):
    yield request.query.get('token', '')
    yield request.cookies.get(COOKIE, '')
    kind, _, value = request.headers.get('Authorization', '').partition(' ')
    yield value if kind.lower() == 'bearer' else ''


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as 'http://['
        return ''


def guard(token: str):
    """
    Give the middleware that asks for the token (if one is set) and refuses foreign pages.

    A page of another site could otherwise stop the camera from within the user's browser.
    """
    @web.middleware
    async def check(request: web.Request, handler):
        origin = request.headers.get('Origin')
        if (request.method != 'GET' and origin is not None
                and _host_of(origin) != request.host):
            raise web.HTTPForbidden(text=f'a page of {origin} may not control this robot\n')
        if token and request.path not in OPEN_PATHS and not any(
                hmac.compare_digest(given.encode(errors='surrogateescape'), token.encode())
                for given in _given_tokens(request)):
            raise web.HTTPUnauthorized(text='this page wants its token: open it as /?token=...\n')
        return await handler(request)

    @web.middleware
    async def remember(request: web.Request, handler):
        response = await check(request, handler)
        if token and 'token' in request.query and not response.prepared:
            response.set_cookie(COOKIE, token, httponly=True, samesite='Strict')
        return response

    return remember
