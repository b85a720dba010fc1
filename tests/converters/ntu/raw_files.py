"""Small raw files of NTU RGB+D, and what a plain loop reads from them."""

import zipfile
from pathlib import Path

import numpy as np

from deeprank_plugin.converters import ntu
from deeprank_plugin.datasets.annotation_writing import require_same

# Two that differ in the last digit only, which float64 does not tell apart.
FIRST, SECOND, THIRD = 72057594037931101, 72057594037931102, 72057594037931200


def body(seed, frames, scale=0.01, start=0, wide=()):
    """Coordinates of a body that stands, by frame; it lies down in the frames of ``wide``."""
    rng = np.random.default_rng(seed)
    stand = np.stack([np.linspace(0, 0.4, 25), np.linspace(0, 1.7, 25), np.full(25, 3.0)], 1)
    moves = stand + seed + scale * rng.normal(size=(frames, 25, 3)).cumsum(axis=0)
    for frame in wide:
        moves[frame] = moves[frame][:, [1, 0, 2]]
    return {start + frame: np.round(moves[frame], 7) for frame in range(frames)}


def write_raw(path, bodies, frames, end='\n'):
    """A .skeleton file; ``bodies`` is a dict of id to a dict of frame to (25, 3)."""
    lines = [str(frames)]
    for frame in range(frames):
        there = [(key, spots[frame]) for key, spots in bodies.items() if frame in spots]
        lines.append(str(len(there)))
        for key, joints in there:
            lines.append(f'{key} 0 1 1 1 1 0 0.02764709 0.05745083 2')
            lines.append('25')
            for x, y, z in joints:
                lines.append(f'{x} {y} {z} 277.1 191.8 1036.2 519.8 -0.2 0.05 0.97 -0.04 2')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path


def reference(path):
    """Bodies of a sound file, by a plain loop: number of frames, and id to frame to (25, 3)."""
    rows = iter(Path(path).read_text().split('\n'))
    frames, bodies = int(next(rows)), {}
    for frame in range(frames):
        for _ in range(int(next(rows))):
            key = next(rows).split(' ')[0]
            joints = []
            for _ in range(int(next(rows))):
                joints.append([np.float32(number) for number in next(rows).split(' ')[:3]])
            bodies.setdefault(key, {})[frame] = np.array(joints)
    return frames, bodies


def sheet(spots, frames):
    """A body's coordinates with zeros where it is absent."""
    joints = np.zeros((frames, 25, 3), np.float32)
    for frame, values in spots.items():
        joints[frame] = values
    return joints


NAMES = [
    f'S{setup:03d}C{camera:03d}P{subject:03d}R001A{action:03d}'
    for setup, subject, action in ((1, 1, 5), (2, 3, 60), (17, 40, 1))
    for camera in (1, 2)
]


def convert(folder, parts, **kwargs):
    kwargs = dict(dict(dataset='ntu60', missing=[], workers=1), **kwargs)
    sources = kwargs.pop('sources', [folder])
    return ntu.convert_files(sources, folder=parts, **kwargs)


def same(one, other):
    """Whether two contents are the same."""
    try:
        require_same(one, other)
    except ValueError:
        return False
    return True


def pack(folder, path):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob('*')):
            if file.is_file():
                archive.write(file, Path('nturgb+d_skeletons') / file.name)
    return path
