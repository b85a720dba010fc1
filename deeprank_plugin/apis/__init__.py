"""Python interface: load a model, classify or embed sequences."""

from .inference import (
    Prediction,
    extract_features,
    fuse_streams,
    inference_skeleton_sequence,
)
from .inferencer import SkeletonInferencer
from .models import init_model
from .sequences import read_sequences
from .untrimmed import detect_actions

__all__ = [
    'Prediction',
    'SkeletonInferencer',
    'detect_actions',
    'extract_features',
    'fuse_streams',
    'inference_skeleton_sequence',
    'init_model',
    'read_sequences',
]
