"""Python interface: load a model, classify or embed sequences, name actions over time."""

from .inference import (
    Prediction,
    extract_features,
    fuse_streams,
    inference_skeleton_sequence,
)
from .inferencer import SkeletonInferencer
from .models import init_model
from .sequences import read_sequences
from .stream import StreamRecognizer
from .timeline import Interval, Timeline, name_actions
from .untrimmed import detect_actions

__all__ = [
    'Interval',
    'Prediction',
    'SkeletonInferencer',
    'StreamRecognizer',
    'Timeline',
    'detect_actions',
    'extract_features',
    'fuse_streams',
    'inference_skeleton_sequence',
    'init_model',
    'name_actions',
    'read_sequences',
]
