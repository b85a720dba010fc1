"""Read one sequence of coordinates from an array or text file.

=========== =======================================================================================
file        content
=========== =======================================================================================
``.npy``    an array of (frames, joints, channels), (bodies, frames, joints, channels), or (frames,
            bodies x joints x channels); other axis orders are given by letters, such as 'CTVM'
``.npz``    such an array as ``keypoint``, or as the only one; 2D data may add ``keypoint_score``,
            with the same axes except channels
``.csv``    one line per frame: x, y, z of joint 1, then of joint 2, ...; a header is allowed
=========== =======================================================================================
"""

import math
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Tuple, Union

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.text import read_lines, read_table, shorten
from deeprank_plugin.datasets.annotations import AnnotationFault, check_keypoint, check_score
from deeprank_plugin.layouts import KINECT_V1, NTU, Layout, map_joints

ENDINGS = ('.npy', '.npz', '.csv')
AXES = {3: 'TVC', 4: 'MTVC'}


class Reading(NamedTuple):
    """How to read the files.

    Attributes:
        layout (Layout): Their joints.
        channels (int): Channels of ``.csv`` files and of arrays with two axes.
        axes (str, optional): Letters of an array's axes: M bodies, T frames, V joints, C channels;
            M may be omitted. None: 'TVC' or 'MTVC'.
        scale (float): Factor that converts coordinates (not scores) to metres.
        img_shape (tuple[int], optional): Height and width of the images that 2D coordinates are
            positions in. Of several cameras: None.
    """

    layout: Layout
    channels: int = 3
    axes: Optional[str] = None
    scale: float = 1.0
    img_shape: Optional[Tuple[int, int]] = None

    @property
    def output_layout(self) -> Layout:
        """Joints of the converted samples: Kinect v1's become NTU's."""
        return NTU if self.layout == KINECT_V1 else self.layout

    def validate(self) -> None:
        """Raise ``ValueError`` if a field is invalid."""
        if self.channels not in (2, 3):
            raise ValueError(f'channels={self.channels!r}; expected 2 or 3')
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f'scale={self.scale!r}; expected a positive number, 0.001 for mm')
        if self.axes is not None and (
            len(set(self.axes)) != len(self.axes) or set(self.axes) | {'M'} != set('MTVC')
        ):
            raise ValueError(
                f'axes={self.axes!r}; expected the letters T, V, C and optionally M, each once, '
                "such as 'CTVM'"
            )
        if self.img_shape is not None:
            if len(self.img_shape) != 2 or min(self.img_shape) < 1:
                raise ValueError(f'img_shape={self.img_shape!r}; expected height and width')
            if self.layout.dims == 3:
                raise ValueError(
                    f'img_shape={self.img_shape!r} and layout {self.layout.name!r}, which is 3D; '
                    'expected 2D poses: leave img_shape out, or set the layout'
                )

    def is_planar(self, keypoint: np.ndarray) -> bool:
        """Whether coordinates (M, T, V, C) are positions in an image."""
        return self.layout.planar or keypoint.shape[-1] == 2


def read_sequence(path: Union[str, Path], reading: Reading) -> Dict[str, np.ndarray]:
    """Read one sequence, with the checks of ``SkeletonDataset``.

    Args:
        path (str): A ``.npy``, ``.npz`` or ``.csv`` file.
        reading (Reading): How to read it.

    Returns:
        dict: ``keypoint``, float32 of shape (M, T, V, C), with NTU's 25 joints if the layout is
        'kinect-v1'; for 2D data optionally ``keypoint_score``, float32 of shape (M, T, V).

    Raises:
        BrokenFile: If the file cannot be used.
    """
    path, score, layout = Path(path), None, reading.layout
    if path.suffix.lower() not in ENDINGS:
        raise BrokenFile(f'{path} ends in {path.suffix!r}; expected one of {ENDINGS}')
    if not path.is_file():
        raise BrokenFile(
            f'{path} does not exist, but the list names it: add the file, or remove the line'
        )
    if path.suffix.lower() == '.csv':
        array = read_frames(path)
    else:
        array, score = read_arrays(path)
    if array.dtype.kind not in 'fiu':
        raise BrokenFile(f'{path} holds an array of type {array.dtype}; expected numbers')
    keypoint = arrange(array, reading, path).astype(np.float64)
    if score is not None and not layout.planar:
        raise BrokenFile(
            f'{path} has keypoint_score; layout {layout.name!r} expects none: remove it'
        )
    keypoint[..., : 2 if layout.planar else 3] *= reading.scale
    if layout == KINECT_V1:
        if keypoint.shape[-1] != 3:
            raise BrokenFile(f"{path} is 2D; layout 'kinect-v1' expects x, y and z")
        keypoint, _ = map_joints(keypoint, KINECT_V1, NTU)
    with np.errstate(over='ignore'):
        sample = dict(keypoint=np.ascontiguousarray(keypoint, dtype=np.float32))
    try:
        check_keypoint(sample['keypoint'], str(path), reading.output_layout, score is not None)
        if reading.img_shape is not None and not reading.is_planar(keypoint):
            raise BrokenFile(
                f'{path} has three coordinates per joint of a layout without "dims": 2; expected '
                '2D poses: leave img_shape out, or set dims of the layout'
            )
        if score is not None:
            sample['keypoint_score'] = arrange_score(score, reading, path)
            check_score(sample['keypoint_score'], sample['keypoint'].shape[:3], str(path))
    except AnnotationFault as fault:
        raise BrokenFile(str(fault)) from None
    return sample


def read_arrays(path: Path) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Read coordinates and, if present, scores from a ``.npy`` or ``.npz`` file, as stored.

    Raises:
        BrokenFile: If the file is damaged, or holds anything else.
    """
    try:
        if path.suffix.lower() == '.npy':  # mapped: a false size in the header allocates nothing
            return np.array(np.load(path, mmap_mode='r', allow_pickle=False)), None
        with np.load(path, allow_pickle=False) as members:
            names = set(members.files) - {'keypoint_score'}
            if 'keypoint' not in names and len(names) != 1:
                raise BrokenFile(
                    f'{path} holds the arrays {sorted(members.files)}; expected keypoint, or a '
                    'single array'
                )
            keypoint = members['keypoint' if 'keypoint' in names else names.pop()]
            return keypoint, members['keypoint_score'] if 'keypoint_score' in members else None
    except BrokenFile:
        raise
    except OSError as error:
        cause = error.strerror or error
        raise BrokenFile(f'{path} cannot be read ({cause}); expected a complete file') from None
    except Exception as error:  # damaged bytes make NumPy and zipfile raise nearly anything
        cause = str(error).replace('\n', ' ') or type(error).__name__
        raise BrokenFile(
            f'{path} cannot be read ({shorten(cause, 120)}); expected numbers as numpy.save or '
            'numpy.savez write them: make the file again'
        ) from None


def read_frames(path: Path) -> np.ndarray:
    """Read a ``.csv`` file, one line per frame; a first line without numbers is a header.

    Raises:
        BrokenFile: If the file is invalid.
    """
    lines = read_lines(path, 'one line of comma-separated numbers per frame')
    header = not any(is_number(field) for field in lines[0].split(','))
    if len(lines) == header:
        raise BrokenFile(f'{path} holds only a header; expected one line per frame below it')
    return read_table(lines[header:], path, delimiter=',', first=1 + header)


def is_number(text: str) -> bool:
    """Whether Python can parse a number, including NaN and infinity."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def arrange(array: np.ndarray, reading: Reading, path: Path) -> np.ndarray:
    """Arrange coordinates as (M, T, V, C).

    Raises:
        BrokenFile: If the shape does not match.
    """
    joints = reading.layout.num_joints
    if array.ndim == 2 and reading.axes is None:
        width = joints * reading.channels
        if array.shape[1] == 0 or array.shape[1] % width:
            raise BrokenFile(
                f'{path} has {array.shape[1]} numbers per frame; expected {width} per body, '
                f'{joints} joints of layout {reading.layout.name!r} with {reading.channels} '
                'channels: set --layout or --channels'
            )
        shape = (len(array), -1, joints, reading.channels)
        return array.reshape(shape).transpose(1, 0, 2, 3)
    axes = AXES.get(array.ndim) if reading.axes is None else reading.axes
    if axes is None or len(axes) != array.ndim:
        wanted = 'two to four axes' if axes is None else f'the axes {axes}'
        raise BrokenFile(
            f'{path} has an array of shape {array.shape}; expected {wanted}: set --axes, or '
            'reshape the array'
        )
    if 'M' not in axes:
        array, axes = array[None], 'M' + axes
    array = array.transpose([axes.index(letter) for letter in 'MTVC'])
    if array.shape[2] != joints or array.shape[3] not in (2, 3):
        raise BrokenFile(
            f'{path} has {array.shape[2]} joints of {array.shape[3]} channels, read as bodies, '
            f'frames, joints, channels = {array.shape}; expected {joints} joints (layout '
            f'{reading.layout.name!r}) of 2 or 3 channels: set --axes or --layout'
        )
    return array


def arrange_score(score: np.ndarray, reading: Reading, path: Path) -> np.ndarray:
    """Arrange scores as float32 of shape (M, T, V).

    Raises:
        BrokenFile: If they are not numbers with the axes of the coordinates except channels.
    """
    axes = (reading.axes or ('MTVC' if score.ndim == 3 else 'TVC')).replace('C', '')
    if score.dtype.kind not in 'fiu' or score.ndim != len(axes):
        raise BrokenFile(
            f'{path} has keypoint_score of shape {score.shape} and type {score.dtype}; expected '
            f'numbers with the axes {axes}'
        )
    if 'M' not in axes:
        score, axes = score[None], 'M' + axes
    return np.ascontiguousarray(
        score.transpose([axes.index(letter) for letter in 'MTV']), dtype=np.float32
    )
