"""What the server serves: projects, work, camera, live models and deployed ones."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
import threading
import time
from typing import Any

from edge_vision.core.errors import UserError
from edge_vision.core.onnx_model import MODELS_FOLDER
from training.studio import deploy
from training.studio.camera import Camera
from training.studio.files import read_json
from training.studio.jobs import Jobs, run_folder, run_names, TASKS
from training.studio.live import Live
from training.studio.project import Project
from training.studio.projects import Projects

NEEDED = ('torch', 'torchvision', 'onnx', 'sklearn', 'tqdm', 'matplotlib')
SHIPPED = ('gesture', 'fingertip')
GOOD_START = 15  # pictures of a category, or of points, with which a first training makes sense


def training_problem() -> str:
    """Tell in one sentence why nothing can be trained here; '' where it can."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return ''
    named = ' and '.join(missing[:2]) if len(missing) < 3 else f'{missing[0]} and others'
    return (
        f'Training needs {named}, which this Python does not have: "make setup EXTRAS=training" or'
        ' "pip install torch torchvision onnx scikit-learn tqdm matplotlib" installs it; until'
        ' then you can collect, label, export and try models that are there.'
    )


class Studio:
    """All parts; methods that touch files block and belong into a thread."""

    def __init__(self, projects: Path, models: Path, nice: int, loop: asyncio.AbstractEventLoop):
        """Open the folder of projects; `models` is where the nodes look for models."""
        self.projects = Projects(projects)
        self.models = models
        self.jobs = Jobs(self.projects, nice)
        self.camera, self.live = Camera(loop), Live()
        self.problem = training_problem()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the device; a training goes on."""
        self.camera.close()
        self.live.close()
        self.jobs.close()

    # ---- what the page shows

    def overview(self) -> dict[str, Any]:
        """All projects, and what can be done here."""
        rows = []
        for name in self.projects.names():
            row: dict[str, Any] = {'name': name, 'kind': '', 'pictures': 0, 'problem': ''}
            try:
                project = self.projects.get(name)
                counts = project.counts()
                row.update(
                    kind=project.kind, pictures=sum(sum(one.values()) for one in counts.values())
                )
            except UserError as error:
                row['problem'] = str(error)
            rows.append(row)
        return {
            'projects': rows,
            'folder': str(self.projects.root),
            'problem': self.problem,
            'shipped': self.shipped(),
            'models': str(self.models),
            'deployed': deploy.there(self.models),
        }

    def shipped(self) -> list[str]:
        """Names of the shipped gesture models that are there."""
        return [name for name in SHIPPED if (MODELS_FOLDER / f'{name}.onnx').is_file()]

    def project_state(self, name: str, client: str) -> dict[str, Any]:
        """All that the page shows of one project, but for its pictures."""
        project = self.projects.get(name)
        project.refresh()
        newest = project.journal.newest_of(client)
        return {
            'name': name,
            'version': project.version,
            **vars(project.layout),
            'counts': project.counts(),
            'good_start': GOOD_START,
            'undo': newest['what'] if newest else '',
            'runs': [self.run_state(project, run) for run in reversed(run_names(project))],
        }

    def run_state(self, project: Project, run: str) -> dict[str, Any]:
        """Tell how a training stands, with its curves."""
        folder = run_folder(project, run)
        return {
            'run': run,
            'job': read_json(folder / 'job.json', {}),
            'model': (folder / 'model.onnx').is_file(),
            **{task: self.jobs.state(project, run, task) for task in TASKS},
        }

    def pulse(self) -> dict[str, Any]:
        """Give what changes by itself: the camera and the work that is going on."""
        current = self.jobs.current()
        state: dict[str, Any] = {}
        if current is not None:
            try:
                project = self.projects.get(current['project'])
                state = self.jobs.state(project, current['run'], current['task'])
            except UserError:
                current = None
        camera = self.camera
        return {
            'work': {**current, 'state': state} if current else None,
            'camera': {
                'source': camera.source,
                'sentence': camera.sentence,
                'good': camera.good,
                'fps': round(camera.rate.per_second(), 1),
            },
            'versions': {name: p.version for name, p in self.projects.opened().items()},
        }

    # ---- models

    def model_file(self, word: object) -> Path:
        """
        Give the file of a model as the page names it; UserError where there is none.

        shipped/NAME, deployed/NAME, run/PROJECT/RUN, or run/PROJECT/RUN/K for a compressed one.
        """
        parts = word.split('/') if isinstance(word, str) else []
        if len(parts) == 2 and parts[0] == 'shipped' and parts[1] in self.shipped():
            return MODELS_FOLDER / f'{parts[1]}.onnx'
        if len(parts) == 2 and parts[0] == 'deployed':
            if parts[1] in (row['name'] for row in deploy.there(self.models) if row['in_use']):
                return self.models / f'{parts[1]}.onnx'
        if len(parts) in (3, 4) and parts[0] == 'run':
            folder = run_folder(self.projects.get(parts[1]), parts[2])
            file = folder / 'model.onnx'
            if len(parts) == 4:
                file = folder / f'model_{parts[3]}.onnx' if parts[3].isdecimal() else folder
            if file.is_file():
                return file
        raise UserError('That model is not there any more.')

    def deploy(self, word: object, name: object) -> Path:
        """Put a model into the models folder with its card."""
        source = self.model_file(word)
        facts = [f'Made on {time.strftime("%Y-%m-%d %H:%M")}.']
        task, labels = deploy.task_of(source), []
        parts = str(word).split('/')
        if parts[0] == 'run':
            project = self.projects.get(parts[1])
            state = self.run_state(project, parts[2])
            facts += facts_of(project, state, parts[3] if len(parts) == 4 else '')
            labels = state['train'].get('labels', [])
        checked = deploy.model_name(name, task)
        with self._lock:
            return deploy.put(
                source, self.models, checked, deploy.card_of(checked, task, labels, facts)
            )

    def back(self, name: object) -> bool:
        """Exchange a deployed model with the former one."""
        with self._lock:
            return deploy.back(self.models, str(name))


def facts_of(project: Project, state: dict[str, Any], clusters: str) -> list[str]:
    """Tell for the card what a training was made of."""
    job, train = state['job'], state['train']
    counts = train.get('counts', {})
    facts = [
        f"Project '{project.name}', data sets {', '.join(job.get('sets', []))}, "
        + ', '.join(f'{count} {label}' for label, count in counts.items())
        + '.',
        f'Began from: {job.get("start", "?")}; trained: '
        + ('the last layer only.' if job.get('head_only') else 'the whole network.'),
    ]
    score = train.get('score', {})
    if 'accuracy' in score:
        facts.append(
            f'Accuracy on {score["pictures"]} pictures held back: {score["accuracy"]:.3f}.'
        )
    elif 'error_px' in score:
        facts.append(
            f'Mean error on {score["pictures"]} pictures held back: '
            f'{score["error_px"]:.1f} pixels at 640x480.'
        )
    if clusters:
        facts.append(f'Compressed: {clusters} shared values for the weights of each layer.')
    return facts
