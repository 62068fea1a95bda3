"""The studio's web server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
import signal

from aiohttp import web
from edge_vision.core.errors import UserError
from edge_vision.web.access import guard
from edge_vision.web.routes import PAGE_POLICY
from edge_vision.web.routes import STATIC as SHARED
from edge_vision.web.server import why_not
from training.studio.access import host_guard, is_local
from training.studio.archive import MOST_UPLOAD_BYTES
from training.studio.routes_models import ModelRoutes
from training.studio.routes_projects import ProjectRoutes
from training.studio.studio import Studio

STATIC = Path(__file__).resolve().parent / 'static'
CLOSE_S = 1.0


def application(studio: Studio, host: str, token: str) -> web.Application:
    """Give the application with all addresses."""
    app = web.Application(
        middlewares=[host_guard(host), guard(token)], client_max_size=MOST_UPLOAD_BYTES
    )

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(
            STATIC / 'studio.html',
            headers={'Cache-Control': 'no-cache', 'Content-Security-Policy': PAGE_POLICY},
        )

    async def fresh(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.setdefault('Cache-Control', 'no-cache')

    async def icon(_: web.Request) -> web.FileResponse:
        return web.FileResponse(SHARED / 'icon.svg')

    app.add_routes(
        [web.get('/', page), web.get('/static/icon.svg', icon), web.static('/static', STATIC)]
    )
    app.on_response_prepare.append(fresh)
    ProjectRoutes(studio).add_to(app)
    ModelRoutes(studio).add_to(app)
    return app


@dataclass(frozen=True)
class Options:
    """What the studio is started with; nice: of its trainings."""

    projects: Path
    models: Path
    source: str
    host: str
    port: int
    token: str
    nice: int


async def serve(options: Options, stop: asyncio.Event) -> None:
    """Serve until `stop`; UserError where the address or the folder cannot be had."""
    host, port = options.host, options.port
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    studio = Studio(options.projects, options.models, options.nice, loop)
    runner = web.AppRunner(
        application(studio, host, options.token), access_log=None, shutdown_timeout=CLOSE_S
    )
    try:
        if options.source:
            await asyncio.to_thread(studio.camera.choose, options.source)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, UnicodeError) as error:
            raise UserError(why_not(host, port, error)) from error
        address = f'http://{"127.0.0.1" if host == "0.0.0.0" else host}:{runner.addresses[0][1]}/'
        print(f'the studio is at {address}', flush=True)
        if not is_local(host) and not options.token:
            print('everyone in the network can use it: --token WORD asks for a word', flush=True)
        await stop.wait()
    finally:
        studio.close()
        await runner.cleanup()
