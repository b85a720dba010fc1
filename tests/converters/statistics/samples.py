"""Annotations of rigid bodies that tremble."""

import numpy as np


def person(seed, frames=8, bodies=1, scale=1.0):
    """A body of 25 joints about 1.7 m high that trembles, a stick from head to foot."""
    rng = np.random.default_rng(seed)
    stick = np.zeros((25, 3))
    stick[:, 1] = np.linspace(0.7, -1, 25)
    moving = stick + rng.normal(scale=1e-3, size=(bodies, frames, 25, 3)) + [0.1, 0.0, 3.0]
    return (scale * moving).astype(np.float32)


def make(number=12, **changes):
    """Content of a file without a fault: two classes, subjects by split."""
    annotations = []
    for index in range(number):
        keypoint = person(index, frames=5 + index)
        annotations.append(
            dict(
                frame_dir=f's{index:02d}',
                label=index % 2,
                total_frames=5 + index,
                keypoint=keypoint,
                subject=1 if index < number // 2 else 2,
            )
        )
    names = [annotation['frame_dir'] for annotation in annotations]
    half = number // 2
    content = dict(split=dict(xsub_train=names[:half], xsub_val=names[half:]))
    return dict(content, annotations=annotations, **changes)
