"""Camera calibration files, as camera_calibration and camera_info_manager write them."""

from __future__ import annotations

from dataclasses import dataclass
import os
from typing import Tuple
from urllib.parse import unquote, urlsplit

from edge_vision.core.errors import UserError
import yaml


@dataclass(frozen=True)
class Calibration:
    """
    The fields of sensor_msgs/CameraInfo, row by row.

    d: distortion. k: 3x3 camera matrix. r: 3x3 rectification. p: 3x4 projection.
    """

    width: int
    height: int
    distortion_model: str
    d: Tuple[float, ...]
    k: Tuple[float, ...]
    r: Tuple[float, ...]
    p: Tuple[float, ...]


def _matrix(data: dict, key: str, size) -> Tuple[float, ...]:
    numbers = tuple(float(x) for x in data[key]['data'])
    if size is not None and len(numbers) != size:
        raise ValueError(f'{key} has {len(numbers)} numbers instead of {size}')
    return numbers


def load_calibration(url: str) -> Calibration:
    """
    Read a calibration YAML from a path or a file:// URL.

    Raises UserError for a file that cannot be read or lacks a field.
    """
    path = unquote(urlsplit(url).path) if url.startswith('file:') else os.path.expanduser(url)
    try:
        with open(path, encoding='utf-8') as file:
            data = yaml.safe_load(file)
        if min(int(data['image_width']), int(data['image_height'])) < 1:
            raise ValueError('image_width and image_height must be above 0')
        return Calibration(
            int(data['image_width']), int(data['image_height']),
            str(data.get('distortion_model', 'plumb_bob')),
            _matrix(data, 'distortion_coefficients', None), _matrix(data, 'camera_matrix', 9),
            _matrix(data, 'rectification_matrix', 9), _matrix(data, 'projection_matrix', 12))
    except OSError as error:
        raise UserError(f"camera_info_url '{url}' cannot be read: {error.strerror}; a YAML file "
                        f'as camera_calibration writes it would do') from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"camera_info_url '{url}' is no camera calibration "
                        f'({type(error).__name__}: {str(error).splitlines()[0]}); a YAML file as '
                        f'camera_calibration writes it would do') from error


def scale_calibration(calibration: Calibration, width: int, height: int) -> Calibration:
    """Fit a calibration to another size of the same picture (pinhole: rows of k and p scale)."""
    if (calibration.width, calibration.height) == (width, height):
        return calibration
    x, y = width / calibration.width, height / calibration.height
    rows = (x, y, 1.0)
    return Calibration(
        width, height, calibration.distortion_model, calibration.d,
        tuple(value * rows[i // 3] for i, value in enumerate(calibration.k)), calibration.r,
        tuple(value * rows[i // 4] for i, value in enumerate(calibration.p)))
