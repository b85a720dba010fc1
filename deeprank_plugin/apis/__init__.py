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

__all__ = [
    'Prediction',
    'SkeletonInferencer',
    'extract_features',
    'fuse_streams',
    'inference_skeleton_sequence',
    'init_model',
    'read_sequences',
]
