"""
Where pictures come from: one file for each kind of source.

To add a kind, write a class with the methods of `Source` and give it a line in `parse.py`.
"""

from edge_vision.core.sources.base import Captured, EndOfSource, Source, SourceLost
from edge_vision.core.sources.parse import parse_source, Settings

__all__ = ['Captured', 'EndOfSource', 'Settings', 'Source', 'SourceLost', 'parse_source']
