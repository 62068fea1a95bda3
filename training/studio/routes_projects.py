"""Addresses of projects, their data sets, categories and pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from edge_vision.core.errors import UserError
from edge_vision.web.routes import NO_STORE
from training.studio.archive import exported, MOST_UPLOAD_BYTES, take, unpacked
from training.studio.files import INCOMING
from training.studio.images import thumbnail
from training.studio.layout import OWN
from training.studio.names import checked_name
from training.studio.requests import api, body_of, client_of, file_of, files_of, wish_of
from training.studio.studio import Studio

in_thread = asyncio.to_thread
KEEP = {'Cache-Control': 'private, max-age=86400', 'X-Content-Type-Options': 'nosniff'}
TYPES = {
    '.jpg': 'image/jpeg',
    '.jpeg': 'image/jpeg',
    '.png': 'image/png',
    '.bmp': 'image/bmp',
    '.webp': 'image/webp',
}


class ProjectRoutes:
    """The handlers; those that touch files do it in a thread."""

    def __init__(self, studio: Studio):
        """Serve the projects of `studio`."""
        self._studio = studio

    def add_to(self, app: web.Application) -> None:
        """Give each handler its address."""
        one = '/api/projects/{project}'
        app.add_routes(
            [
                web.get('/api/overview', api(self.overview)),
                web.post('/api/projects', api(self.create)),
                web.post('/api/import', api(self.import_new)),
                web.get(one, api(self.state)),
                web.delete(one, api(self.drop)),
                web.post(one + '/change', api(self.change)),
                web.get(one + '/pictures', api(self.pictures)),
                web.post(one + '/pictures', api(self.add)),
                web.get(one + '/picture', api(self.picture)),
                web.get(one + '/export.zip', api(self.export)),
                web.post(one + '/import', api(self.import_zip)),
            ]
        )

    def _project(self, request: web.Request):
        return self._studio.projects.get(request.match_info['project'])

    async def overview(self, request: web.Request):
        """GET /api/overview : all projects, shipped and deployed models."""
        return await in_thread(self._studio.overview)

    async def create(self, request: web.Request):
        """POST /api/projects {name, kind, points} : make a project."""
        wish = await wish_of(request)
        project = await in_thread(
            self._studio.projects.create,
            wish.get('name'),
            wish.get('kind'),
            wish.get('points', ()),
        )
        return {'name': project.name}

    async def drop(self, request: web.Request):
        """DELETE /api/projects/NAME : move it into the trash folder."""
        project = self._project(request)
        work = self._studio.jobs.current()
        if work and work['project'] == project.name:
            raise UserError('This project is being trained; stop that first.')
        return {'moved_to': str(await in_thread(self._studio.projects.drop, project.name))}

    async def state(self, request: web.Request):
        """GET /api/projects/NAME : its sets, categories, counts and trainings."""
        return await in_thread(
            self._studio.project_state, request.match_info['project'], client_of(request)
        )

    async def pictures(self, request: web.Request):
        """GET .../pictures?set=A : all pictures of a data set with their labels."""
        project = self._project(request)
        return {'pictures': await in_thread(project.pictures, request.query.get('set', ''))}

    async def add(self, request: web.Request):
        """
        POST .../pictures?set=A&label=up : keep the picture in the body.

        frame=N stands for one that the studio's own camera showed; points come as x,y by name.
        """
        project, query = self._project(request), request.query
        if 'frame' in query:
            number = query['frame'] if query['frame'].isdecimal() else '0'
            data = self._studio.camera.kept(int(number[:18]))
        else:
            data = await body_of(request)
        label: Any = query.get('label')
        if any(name in query for name in project.layout.points):
            label = {
                name: query[name].split(',') for name in project.layout.points if name in query
            }
        file = await in_thread(
            project.add,
            query.get('set', ''),
            label,
            data,
            client_of(request),
            query.get('group', ''),
        )
        return {'file': file}

    async def picture(self, request: web.Request):
        """GET .../picture?set=A&file=F&width=160 : a picture, or a small one."""
        query = request.query
        path = self._project(request).path_of(query.get('set', ''), query.get('file'))
        data = await in_thread(path.read_bytes)
        width = query.get('width', '')
        if width.isdecimal() and 0 < int(width[:5]) <= 2000:
            data = await in_thread(thumbnail, data, int(width[:5]))
            return web.Response(body=data, content_type='image/jpeg', headers=KEEP)
        return web.Response(body=data, content_type=TYPES[path.suffix.lower()], headers=KEEP)

    async def change(self, request: web.Request):
        """POST .../change {do: ..., ...} : everything that undo can take back, and undo."""
        return await in_thread(
            self._change, self._project(request), await wish_of(request), client_of(request)
        )

    def _change(self, project, wish: dict[str, Any], client: str):
        what, name = wish.get('do'), wish.get('name')
        one = wish.get('set') if isinstance(wish.get('set'), str) else ''
        if what == 'delete':
            return project.delete(one, files_of(wish), client)
        if what == 'relabel':
            return {'files': project.relabel(one, files_of(wish), wish.get('label'), client)}
        if what == 'place':
            return project.place(one, files_of(wish)[0], wish.get('points'), client)
        if what == 'undo':
            return {'undone': project.undo(client)}
        if what == 'add set':
            return {'name': project.add_set(name, client)}
        if what == 'add category':
            return {'name': project.add_category(name, client)}
        if what == 'rename category':
            return {'name': project.rename_category(name, wish.get('to'), client)}
        if what == 'drop category':
            return project.drop_category(name, client)
        if what == 'drop set':
            return project.drop_set(one, client)
        raise UserError(f"'{what}' is nothing that can be done here.")

    # ---- ZIP

    async def export(self, request: web.Request):
        """GET .../export.zip : the project as one file."""
        project = self._project(request)
        response = web.StreamResponse(
            headers={
                'Content-Type': 'application/zip',
                **NO_STORE,
                'Content-Disposition': f"attachment; filename*=UTF-8''{quote(project.name)}.zip",
            }
        )
        await response.prepare(request)
        pieces: Iterator[bytes] = exported(project)
        while piece := await in_thread(next, pieces, b''):
            await response.write(piece)
        await response.write_eof()
        return response

    async def import_zip(self, request: web.Request):
        """POST .../import?set=A&label=up : take the pictures of the ZIP in the body."""
        project, query = self._project(request), request.query
        file = await file_of(request, project.own, MOST_UPLOAD_BYTES)
        try:
            report = await in_thread(
                self._import,
                project,
                file,
                query.get('set', ''),
                query.get('label', ''),
                client_of(request),
            )
        finally:
            await in_thread(file.unlink, missing_ok=True)
        return vars(report)

    async def import_new(self, request: web.Request):
        """POST /api/import?name=NAME : make a project of the ZIP in the body."""
        name = checked_name(request.query.get('name'), 'project', self._studio.projects.names())
        file = await file_of(request, self._studio.projects.root / OWN, MOST_UPLOAD_BYTES)
        try:
            project, report = await in_thread(self._import_new, name, file, client_of(request))
        finally:
            await in_thread(file.unlink, missing_ok=True)
        return {'name': project.name, **vars(report)}

    def _import(self, project, file: Path, name: str, label: str, client: str):
        with unpacked(file, project.own / INCOMING) as found:
            return take(project, found, name, label, client)

    def _import_new(self, name: str, file: Path, client: str):
        with unpacked(file, self._studio.projects.root / OWN / INCOMING) as found:
            project = self._studio.projects.create(name, found.kind, found.points)
            return project, take(project, found, 'A', '', client)
