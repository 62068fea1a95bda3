"""What each address answers."""

from __future__ import annotations

import asyncio
from html import escape
import json
from pathlib import Path
import socket
from typing import Dict

from aiohttp import web
from edge_vision.core.jpeg import Variant
from edge_vision.web.board import Board
from edge_vision.web.feeds import Feeds

STATIC = Path(__file__).resolve().parent / 'static'
BOUNDARY = 'edge_vision_frame'
NO_STORE = {'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff'}
PAGE_POLICY = "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'"
SNAPSHOT_S = 3.0  # a picture that does not come in this time does not come
STALL_S = 15.0  # a viewer who takes nothing for so long is let go
TICK_S = 0.2  # how often events are looked for
SEND_BUFFER_BYTES = 128 * 1024  # what a slow viewer may lag behind inside the kernel


def _number(request: web.Request, name: str, highest: int) -> int:
    text = request.query.get(name, '0')
    # isdecimal: isdigit takes a superscript two, which int refuses, as it does 5,000 digits
    if not text.isdecimal() or len(text) > 9 or int(text) > highest:
        raise web.HTTPBadRequest(
            text=f"{name} must be a whole number from 1 to {highest}, but is '{text[:20]}'\n")
    return int(text)


class Routes:
    """The handlers, with what they need."""

    def __init__(self, feeds: Feeds, board: Board, topics: Dict[str, str], max_clients: int,
                 set_camera, set_muted=None):
        """Remember where pictures, state and control come from."""
        self._feeds, self._board, self._topics = feeds, board, topics
        self._max_clients, self._set_camera = max_clients, set_camera
        self._set_muted = set_muted

    def add_to(self, app: web.Application) -> None:
        """Give each handler its address."""
        app.add_routes([
            web.get('/', self.page), web.get('/stream', self.stream),
            web.get('/snapshot', self.snapshot), web.get('/stream_viewer', self.viewer),
            web.get('/api/status', self.status), web.get('/api/events', self.events),
            web.post('/api/camera', self.camera), web.post('/api/speech', self.speech),
            web.get('/healthz', self.healthz), web.static('/static', STATIC)])

    async def page(self, request: web.Request):
        """GET / : the live page."""
        return web.FileResponse(STATIC / 'page.html', headers={
            'Cache-Control': 'no-cache', 'Content-Security-Policy': PAGE_POLICY})

    def _topic(self, request: web.Request) -> str:
        asked = request.query.get('topic', '/overlay')
        topic = self._topics.get(asked) or self._topics.get('/' + asked)
        if topic is None:
            raise web.HTTPNotFound(text=f"there is no picture on '{asked}'; "
                                        f'{", ".join(sorted(self._topics))} would do\n')
        return topic

    def _watch(self, request: web.Request):
        variant = Variant(_number(request, 'width', 4096), _number(request, 'height', 4096),
                          _number(request, 'quality', 100))
        topic = self._topic(request)
        if self._feeds.viewers() >= self._max_clients:
            raise web.HTTPServiceUnavailable(
                text=f'{self._max_clients} viewers are connected, which is the most '
                     f'(parameter max_clients)\n')
        return self._feeds.watch(topic, variant)

    async def stream(self, request: web.Request):
        """GET /stream : MJPEG; a slow viewer misses pictures and holds up nobody."""
        with self._watch(request) as feed:
            response = web.StreamResponse(headers={
                'Content-Type': f'multipart/x-mixed-replace; boundary={BOUNDARY}',
                'Connection': 'close', **NO_STORE})
            await response.prepare(request)
            _limit_lag(request)
            while request.transport is not None and not request.transport.is_closing():
                newest = await feed.next(1.0)
                if newest is None:
                    continue
                jpeg, stamp_ns = newest
                head = (f'--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n'
                        f'Content-Length: {len(jpeg)}\r\n'
                        f'X-Timestamp: {stamp_ns / 1e9:.6f}\r\n\r\n')
                try:
                    await asyncio.wait_for(response.write(head.encode() + jpeg + b'\r\n'), STALL_S)
                except (asyncio.TimeoutError, ConnectionError):
                    _hang_up(request)
                    break
            return response

    async def snapshot(self, request: web.Request):
        """GET /snapshot : the next picture as one JPEG."""
        with self._watch(request) as feed:
            newest = await feed.next(SNAPSHOT_S)
        if newest is None:
            reason = self._board.problem() or 'no picture arrives'
            raise web.HTTPServiceUnavailable(text=f'no picture: {reason}\n')
        return web.Response(body=newest[0], content_type='image/jpeg', headers={
            'X-Timestamp': f'{newest[1] / 1e9:.6f}', **NO_STORE})

    async def viewer(self, request: web.Request):
        """GET /stream_viewer : a bare page with the stream, as web_video_server has it."""
        self._topic(request)
        source = escape(f'/stream?{request.rel_url.raw_query_string}')
        return web.Response(content_type='text/html', headers=NO_STORE, text=(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>edge_vision</title>'
            f'<img src="{source}" alt="live picture"></html>\n'))

    def _state(self):
        return self._board.status(self._feeds.viewers())

    async def status(self, request: web.Request):
        """GET /api/status : the state as JSON."""
        return web.json_response(self._state(), headers=NO_STORE)

    async def events(self, request: web.Request):
        """GET /api/events : the state as server-sent events, on change and once a second."""
        response = web.StreamResponse(headers={'Content-Type': 'text/event-stream', **NO_STORE})
        await response.prepare(request)
        sent, quiet_s = None, 0.0
        while request.transport is not None and not request.transport.is_closing():
            state = self._state()
            key = {k: v for k, v in state.items() if k != 'uptime_s'}
            if key != sent or quiet_s >= 1.0:
                data = json.dumps(state)
                try:
                    await asyncio.wait_for(response.write(f'data: {data}\n\n'.encode()), STALL_S)
                except (asyncio.TimeoutError, ConnectionError):
                    _hang_up(request)
                    break
                sent, quiet_s = key, 0.0
            await asyncio.sleep(TICK_S)
            quiet_s += TICK_S
        return response

    async def camera(self, request: web.Request):
        """POST /api/camera {"enabled": bool} : start or stop the camera."""
        return await self._switch(request, 'enabled', self._set_camera)

    async def speech(self, request: web.Request):
        """POST /api/speech {"muted": bool} : make the robot's own voice silent, or heard."""
        if self._set_muted is None:
            raise web.HTTPNotFound(text='nobody speaks here\n')
        return await self._switch(request, 'muted', self._set_muted)

    async def _switch(self, request: web.Request, name: str, switch):
        try:
            wish = await request.json()
        except (ValueError, LookupError, RecursionError):  # no JSON, no such charset, too deep
            wish = None
        if not isinstance(wish, dict) or not isinstance(wish.get(name), bool):
            raise web.HTTPBadRequest(
                text=f'the body must be {{"{name}": true}} or {{"{name}": false}}\n')
        done, sentence = await switch(wish[name])
        return web.json_response({name: wish[name], 'done': done, 'message': sentence},
                                 status=200 if done else 503, headers=NO_STORE)

    async def healthz(self, request: web.Request):
        """GET /healthz : 200 while frames flow, 503 with the reason when they do not."""
        problem = self._board.problem()
        return web.Response(text=f'{problem or "frames flow"}\n', status=503 if problem else 200,
                            headers=NO_STORE)


def _hang_up(request: web.Request) -> None:
    """Drop what was not taken: an end in order would wait for the viewer to take it."""
    if request.transport is not None:
        request.transport.abort()


def _limit_lag(request: web.Request) -> None:
    if request.transport is not None:
        connection = request.transport.get_extra_info('socket')
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
