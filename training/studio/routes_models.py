"""Addresses of trainings, their checks, deployed models and the live picture."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from typing import Any

from aiohttp import web, WSMsgType
from edge_vision.core.errors import UserError
from edge_vision.web.routes import NO_STORE, STALL_S
from training.studio.access import same_origin
from training.studio.checks import checked_run
from training.studio.files import write_json
from training.studio.images import decoded, MOST_BYTES
from training.studio.jobs import run_folder
from training.studio.plan import job_of, number_of
from training.studio.requests import api, wish_of
from training.studio.studio import Studio

in_thread = asyncio.to_thread
LOOK_S = 0.1  # at most ten looks a second, so that the picture goes on beside them
PULSE_S = 0.3
WAIT_S = 2.0


class ModelRoutes:
    """The handlers; those that touch files do it in a thread."""

    def __init__(self, studio: Studio):
        """Serve the trainings and the camera of `studio`."""
        self._studio = studio
        self._sockets: set[web.WebSocketResponse] = set()

    def add_to(self, app: web.Application) -> None:
        """Give each handler its address."""
        run = '/api/projects/{project}/runs'
        app.add_routes(
            [
                web.post(run, api(self.train)),
                web.post(run + '/{run}', api(self.work)),
                web.get(run + '/{run}', api(self.run)),
                web.get(run + '/{run}/check', api(self.check)),
                web.post('/api/deploy', api(self.deploy)),
                web.post('/api/back', api(self.back)),
                web.post('/api/source', api(self.source)),
                web.get('/api/events', self.events),
                web.get('/api/live', self.live),
            ]
        )
        app.on_shutdown.append(self._hang_up)

    async def _hang_up(self, _: web.Application) -> None:
        for socket in list(self._sockets):
            await socket.close()

    def _project(self, request: web.Request):
        return self._studio.projects.get(request.match_info['project'])

    # ---- trainings

    async def train(self, request: web.Request):
        """POST .../runs {sets, start, head_only, epochs, rate} : begin a training."""
        self._can_train()
        project, wish = self._project(request), await wish_of(request)
        return {'run': await in_thread(self._begin, project, wish)}

    def _can_train(self) -> None:
        if self._studio.problem:
            raise UserError(self._studio.problem)

    def _begin(self, project, wish: dict[str, Any]) -> str:
        if self._studio.jobs.current() is None:  # else start says so, before a run is made
            job = job_of(project, wish, self._studio.model_file)
            run = self._studio.jobs.new_run(project, job)
        else:
            run = '0'
        self._studio.jobs.start(project, run, 'train')
        return run

    async def work(self, request: web.Request):
        """POST .../runs/RUN {do: stop, train, evaluate or compress} : on an existing training."""
        project, wish = self._project(request), await wish_of(request)
        run, what = request.match_info['run'], wish.get('do')
        if what == 'stop':
            return await in_thread(self._studio.jobs.stop, project, run)
        if what == 'drop':
            return await in_thread(self._studio.jobs.drop, project, run)
        if what in ('train', 'compress'):
            self._can_train()
        elif what != 'evaluate':
            raise UserError(f"'{what}' is nothing that can be done with a training.")
        if what == 'compress':
            tune = int(number_of(wish, 'tune', 0, 0, 20))
            folder = run_folder(project, run)
            await in_thread(write_json, folder / 'compress_wish.json', {'tune': tune})
        return await in_thread(self._studio.jobs.start, project, run, what)

    async def run(self, request: web.Request):
        """GET .../runs/RUN : how it stands, with its curves."""
        return await in_thread(
            self._studio.run_state, self._project(request), request.match_info['run']
        )

    async def check(self, request: web.Request):
        """GET .../runs/RUN/check : confusion matrix and worst pictures, by the labels of now."""
        project, run = self._project(request), request.match_info['run']
        return await in_thread(checked_run, project, run_folder(project, run))

    # ---- models

    async def deploy(self, request: web.Request):
        """POST /api/deploy {model, name} : put a model into the models folder."""
        wish = await wish_of(request)
        file = await in_thread(self._studio.deploy, wish.get('model'), wish.get('name'))
        return {'file': str(file), 'name': file.stem}

    async def back(self, request: web.Request):
        """POST /api/back {name} : exchange a deployed model with the former one."""
        wish = await wish_of(request)
        return {'in_use': await in_thread(self._studio.back, wish.get('name'))}

    async def source(self, request: web.Request):
        """POST /api/source {source} : look through another camera."""
        wish = await wish_of(request)
        source = wish.get('source')
        if not isinstance(source, str) or not source.strip():
            raise UserError('No camera was named; 0, a file or http://... would do.')
        await in_thread(self._studio.camera.choose, source.strip())
        return {'source': source.strip()}

    # ---- live

    async def events(self, request: web.Request):
        """GET /api/events : camera, work and versions, on change and once in two seconds."""
        response = web.StreamResponse(headers={'Content-Type': 'text/event-stream', **NO_STORE})
        await response.prepare(request)
        sent, sent_s = '', 0.0
        try:
            while request.transport is not None and not request.transport.is_closing():
                words = json.dumps(await in_thread(self._studio.pulse), default=str)
                if words != sent or time.monotonic() - sent_s > WAIT_S:
                    await asyncio.wait_for(response.write(f'data: {words}\n\n'.encode()), STALL_S)
                    sent, sent_s = words, time.monotonic()
                await asyncio.sleep(PULSE_S)
        except (asyncio.TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        return response

    async def live(self, request: web.Request):
        """
        GET /api/live : a WebSocket of pictures and of what models say of them.

        In: {"next": N} asks for a picture newer than N, {"models": [...]} whose words are wanted;
        bytes: a JPEG of the viewer's own camera. Out: bytes: the number (8 bytes) and a JPEG;
        {"said": {model: ...}} or {"problem": ...}.
        """
        if not same_origin(request):
            raise web.HTTPForbidden(text='a page of another site may not look here\n')
        socket = web.WebSocketResponse(heartbeat=20, max_msg_size=MOST_BYTES)
        await socket.prepare(request)
        self._sockets.add(socket)
        viewer = Viewer(self._studio, socket)
        try:
            await viewer.serve()
        finally:
            self._sockets.discard(socket)
        return socket


class Viewer:
    """One open page: asks for pictures at its own pace, and hears of models at theirs."""

    def __init__(self, studio: Studio, socket: web.WebSocketResponse):
        """Begin with no model chosen."""
        self._studio, self._socket = studio, socket
        self._models: list[str] = []
        self._turn = 0
        self._wanted = asyncio.Event()
        self._after = 0
        self._looking = False

    async def serve(self) -> None:
        """Go on until the page closes."""
        tasks = [asyncio.create_task(self._send_pictures()), asyncio.create_task(self._look())]
        try:
            async for message in self._socket:
                if message.type == WSMsgType.BINARY:
                    await self._look_at_sent(message.data)
                elif message.type == WSMsgType.TEXT:
                    self._hear(message.data)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._looking:
                self._studio.camera.leave()

    def _hear(self, text: str) -> None:
        try:
            wish = json.loads(text)
            models = wish.get('models', self._models)
            after = int(wish.get('next', -1))
        except (ValueError, AttributeError, TypeError, RecursionError):
            return
        if isinstance(models, list):
            self._models = [m for m in models if isinstance(m, str)][:8]
        if after >= 0:
            if not self._looking:
                self._studio.camera.look()
                self._looking = True
            self._after = after
            self._wanted.set()
        elif wish.get('rest') and self._looking:
            self._studio.camera.leave()
            self._looking = False

    async def _send_pictures(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            newest = None
            while newest is None:
                newest = await self._studio.camera.next(self._after, WAIT_S)
            number, jpeg = newest
            await self._socket.send_bytes(struct.pack('>Q', number) + jpeg)

    async def _look(self) -> None:
        seen = -1
        while True:
            await asyncio.sleep(LOOK_S)
            if not (self._looking and self._models):
                continue
            number, bgr = self._studio.camera.newest()
            if bgr is not None and number != seen:
                seen = number
                await self._say(bgr)

    async def _look_at_sent(self, jpeg: bytes) -> None:
        if not self._models:
            await self._socket.send_json({'said': {}})
            return
        try:
            bgr = await in_thread(decoded, jpeg)
        except UserError as error:
            await self._socket.send_json({'problem': str(error), 'said': {}})
            return
        await self._say(bgr)

    async def _say(self, bgr) -> None:
        """Let the next model in turn look."""
        self._turn += 1
        model = self._models[self._turn % len(self._models)]
        try:
            path = await in_thread(self._studio.model_file, model)
            said = await in_thread(self._studio.live.look, path, bgr)
            await self._socket.send_json({'said': {model: said}})
        except (UserError, ValueError) as error:
            await self._socket.send_json({'said': {}, 'problem': str(error)})
            await asyncio.sleep(1.0)
