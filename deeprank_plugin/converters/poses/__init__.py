"""Convert poses that a camera's software wrote to annotations.

A module reads each format (``mmpose``, ``openpose``, ``alphapose``, ``mediapipe``,
``azure_kinect``); ``formats.py`` recognises it, ``tracking.py`` says who is who, ``coordinates.py``
turns and resamples, ``samples.py`` makes the samples of a recording, ``convert.py`` those of a
folder.
"""

from .convert import convert_recordings
from .formats import FORMATS, read_recording
from .samples import Settings

__all__ = ['FORMATS', 'Settings', 'convert_recordings', 'read_recording']
