"""
Serve the studio: collect, label, train, try live and deploy gesture models in the browser.

    python -m training.studio                          # the camera is chosen on the page
    python -m training.studio --source http://robot:8080/stream?topic=/image_raw

Needs no PyTorch to collect and to try models; training needs it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path

os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '8')  # the sources say it in a sentence

import cv2
from edge_vision.core.onnx_model import own_models_folder
from training.errors import run
from training.studio.server import Options, serve

PROJECTS = Path('~/edge_vision_projects')


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m training.studio',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        '--source',
        default='',
        help='camera: 0 or /dev/video0, a file, a folder, http://..., '
        "demo:; without it, the page asks, and offers the viewer's own camera",
    )
    add(
        '--projects', type=Path, default=PROJECTS, help='folder of projects (default: %(default)s)'
    )
    add(
        '--models',
        type=Path,
        default=own_models_folder(),
        help='folder that models are deployed to, and where the nodes look (default: %(default)s)',
    )
    add('--host', default='127.0.0.1', help='0.0.0.0: the whole network may open the page')
    add('--port', type=int, default=8090, help='0: any free one (default: %(default)s)')
    add('--token', default='', help='word that the page then wants: /?token=WORD')
    add(
        '--nice',
        type=int,
        default=10,
        help='how far trainings stand back behind all else, 0 to 19 (default: %(default)s)',
    )
    return parser.parse_args()


async def serve_until_told(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    folders = {
        name: getattr(args, name).expanduser().absolute() for name in ('projects', 'models')
    }
    given = {**vars(args), **folders, 'source': args.source.strip()}
    await serve(Options(**given), asyncio.Event())


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    cv2.setNumThreads(1)  # its pool would take the cores from the page and from a training
    if hasattr(cv2.utils, 'logging'):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    asyncio.run(serve_until_told(parse()))


if __name__ == '__main__':
    run(main)
