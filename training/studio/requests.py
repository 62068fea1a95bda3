"""From a request to a call of blocking code and back to JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
import functools
import json
from pathlib import Path
import re
import tempfile
from typing import Any

from aiohttp import web
from edge_vision.core.errors import UserError
from edge_vision.web.routes import NO_STORE
from training.studio.files import told_in_a_sentence, UPLOAD
from training.studio.images import MOST_BYTES

Handler = Callable[[web.Request], Awaitable[Any]]


def answer(value: Any, status: int = 200) -> web.Response:
    """Give JSON."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    return web.Response(
        text=text, status=status, content_type='application/json', headers=NO_STORE
    )


def api(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler's value the JSON answer, and a UserError an answer 400 with its sentence."""

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            value = await handler(request)
        except UserError as error:
            return answer({'message': str(error)}, 400)
        return value if isinstance(value, web.StreamResponse) else answer(value or {})

    return handle


async def wish_of(request: web.Request) -> dict[str, Any]:
    """Give the JSON object of a request; UserError for anything else."""
    try:
        wish = json.loads(await request.text())
    except (ValueError, LookupError, RecursionError):  # no JSON, no such charset, too deep
        wish = None
    if not isinstance(wish, dict):
        raise UserError('The request must be a JSON object.')
    return wish


def files_of(wish: dict[str, Any]) -> list[str]:
    """Give the pictures that a request names."""
    files = wish.get('files')
    if not isinstance(files, list) or not files or not all(isinstance(f, str) for f in files):
        raise UserError('No picture was chosen.')
    return files


def client_of(request: web.Request) -> str:
    """Name the browser that asks: each undoes its own changes."""
    return re.sub(r'[^0-9a-zA-Z-]', '', request.headers.get('X-Client', ''))[:40]


async def body_of(request: web.Request) -> bytes:
    """Read a picture that was sent; UserError where it is too long."""
    data = bytearray()
    async for chunk in request.content.iter_chunked(2**16):
        data += chunk
        if len(data) > MOST_BYTES:
            raise UserError(f'The picture has more than {MOST_BYTES >> 20} MB.')
    return bytes(data)


async def file_of(request: web.Request, folder: Path, most: int) -> Path:
    """Keep what is sent in a file of `folder`, which the caller removes; UserError if too long."""
    with told_in_a_sentence('the file'):
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        out = tempfile.NamedTemporaryFile(dir=folder, suffix=UPLOAD, delete=False)
        try:
            with out:
                total = 0
                async for chunk in request.content.iter_chunked(2**18):
                    total += len(chunk)
                    if total > most:
                        raise UserError(f'The file has more than {most >> 30} GB.')
                    await asyncio.to_thread(out.write, chunk)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise
    return Path(out.name)
