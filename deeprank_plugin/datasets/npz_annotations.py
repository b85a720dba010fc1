"""Annotations in an ``.npz`` file: no pickle, and coordinates shared between processes.

The file is an uncompressed zip of NumPy arrays for N samples and R rows (a body in a frame):

=================== =========== =================================================================
member              shape       content
=================== =========== =================================================================
``format``          ()          JSON text: the version, and which values are not plain numbers or
                                strings but a tuple, list, NumPy scalar or array
``keypoint``        (R, V, C)   coordinates of all samples, one after another, body by body
``keypoint_score``  (R, V)      for 2D data, optional
``bodies``          (N,)        bodies M of each sample
``frames``          (N,)        frames T of each sample; R is the sum of M * T
``sample/<key>``    (N, ...)    one for each annotation key: ``sample/frame_dir`` (strings),
                                ``sample/label``, ``sample/total_frames``, ``sample/subject`` ...
``split_names``     (S,)        names of the splits; all three split arrays may be absent
``split_sizes``     (S,)        number of samples of each
``split_samples``   (sum,)      indices of the samples, split after split
``file/<key>``      (1, ...)    one for each key other than ``split`` and ``annotations``
=================== =========== =================================================================

``keypoint`` and ``keypoint_score`` are not read but memory-mapped where they lie uncompressed in
the zip, so all processes of a machine share one copy, the file's own pages. ``np.load`` can map an
``.npy`` only: from an ``.npz`` it would read a copy for each process.
"""

import errno
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

VERSION = 1
MAPPED = ('keypoint', 'keypoint_score')
REQUIRED = ('format', 'keypoint', 'bodies', 'frames')
SPLITS = ('split_names', 'split_sizes', 'split_samples')
KINDS = ('plain', 'tuple', 'list', 'numpy', 'array')
NUMBERS_AND_TEXTS = 'biufU'
REMEDY = 'expected a file by tools/data/convert_annotations.py: make it again'


class Place(NamedTuple):
    """Location of an array in a file: offset in bytes, type and shape."""

    offset: int
    dtype: np.dtype
    shape: Tuple[int, ...]


class MappedSequences:
    """Coordinates of an ``.npz`` file, sample by sample, through memory maps.

    A copy, such as the one that a spawned worker unpickles, carries only the locations of the
    arrays, never the coordinates, and maps the file again on first use.

    Args:
        path (str): Path of the ``.npz``.
        places (dict): Name ('keypoint', 'keypoint_score') to :class:`Place`.
        bodies (np.ndarray): Bodies of each sample. Shape (N,).
        frames (np.ndarray): Frames of each sample. Shape (N,).
    """

    def __init__(
        self, path: str, places: Dict[str, Place], bodies: np.ndarray, frames: np.ndarray
    ) -> None:
        self.path = os.path.abspath(path)
        self.places = places
        self.bodies, self.frames = bodies, frames
        self.starts = np.cumsum(bodies * frames) - bodies * frames
        self._state = self._stat()
        self._maps: Dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.starts)

    def __getstate__(self) -> Dict:
        return dict(self.__dict__, _maps={})

    def _stat(self) -> Tuple[int, int]:
        status = os.stat(self.path)
        return status.st_size, status.st_mtime_ns

    def _map(self) -> None:
        if self._stat() != self._state:
            raise ValueError(
                f'annotation file {self.path} has changed since it was read; expected it to stay '
                'unchanged while a program uses it: restart the program'
            )
        for name, (offset, dtype, shape) in self.places.items():
            array = np.memmap(self.path, dtype=dtype, mode='r', offset=offset, shape=shape)
            self._maps[name] = array.view(np.ndarray)

    def view(self, index: int) -> Dict[str, np.ndarray]:
        """Read-only ``keypoint`` (M, T, V, C) and, if present, ``keypoint_score`` (M, T, V)."""
        if not self._maps:
            self._map()
        start, bodies, frames = self.starts[index], self.bodies[index], self.frames[index]
        rows = slice(start, start + bodies * frames)
        return {
            name: array[rows].reshape(bodies, frames, *array.shape[1:])
            for name, array in self._maps.items()
        }

    def read(self, index: int) -> Dict[str, np.ndarray]:
        """Like :meth:`view`, but copied, so that transforms may modify it."""
        return {name: array.copy() for name, array in self.view(index).items()}


def load_npz(path: Union[str, Path]) -> Tuple[Any, MappedSequences]:
    """Open an annotation file; arrays of Python objects are rejected, nothing is unpickled.

    Args:
        path (str): Path of the ``.npz``.

    Returns:
        tuple: The same dict (or list) as from a pickle, with coordinates that are read-only views
        of the mapped file, and the :class:`MappedSequences` behind them, in the same order.

    Raises:
        ValueError: If the file is damaged or not in this format.
    """
    try:
        arrays, places = read_members(path)
        sequences = map_sequences(path, arrays, places)
        return to_content(arrays, sequences), sequences
    except (OSError, zipfile.BadZipFile) as error:
        # EINVAL: the zip points before the start of the file, so it is damaged, not the disk
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise ValueError(
            f'annotation file {path} ends too early or is damaged ({error}); {REMEDY}, or copy it '
            'again'
        ) from error
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        cause = str(error).replace('\n', ' ') or type(error).__name__
        raise ValueError(f'annotation file {path} is rejected: {cause}; {REMEDY}') from error


def read_members(path: Union[str, Path]) -> Tuple[Dict[str, np.ndarray], Dict[str, Place]]:
    """Read the small arrays of an ``.npz``, and locate those to be mapped.

    Raises:
        ValueError: If a member is not a plain, uncompressed array that lies within the file.
        zipfile.BadZipFile: If the zip is damaged.
    """
    arrays, places = {}, {}
    with open(path, 'rb') as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = info.filename[: -len('.npy')]
            if not info.filename.endswith('.npy') or name in arrays or name in places:
                raise ValueError(f'its member {info.filename!r} is not an array, or a duplicate')
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise ValueError(
                    f'its array {name!r} is compressed or encrypted, and cannot be mapped'
                )
            with archive.open(info) as member:
                shape, fortran, dtype = read_header(member)
                start = member.tell()
            if dtype.hasobject:
                raise ValueError(
                    f'its array {name!r} holds Python objects, which only a pickle could restore'
                )
            if dtype.kind not in NUMBERS_AND_TEXTS:
                raise ValueError(
                    f'its array {name!r} is of type {dtype}, expected numbers or strings'
                )
            size = dtype.itemsize
            for length in shape:  # Python integers: a false header must not overflow
                size *= length
            if start + size != info.file_size or info.file_size != info.compress_size:
                raise ValueError(
                    f'its array {name!r} says {dtype} {shape}, {size} bytes, and has '
                    f'{info.file_size - start}'
                )
            if name not in MAPPED:
                with archive.open(info) as member:
                    arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
                continue
            if fortran and len(shape) > 1:
                raise ValueError(f'its array {name!r} is in Fortran order; expected C order')
            file.seek(info.header_offset + 26)
            lengths = struct.unpack('<HH', file.read(4))  # of the name and of the extra field
            offset = info.header_offset + 30 + sum(lengths) + start
            if offset + size > os.fstat(file.fileno()).st_size:
                raise ValueError(f'its array {name!r} reaches beyond the end of the file')
            places[name] = Place(offset, dtype, shape)
    return arrays, places


def read_header(member) -> Tuple[Tuple[int, ...], bool, np.dtype]:
    """Shape, order and type from the header of an ``.npy``."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(member)
    raise ValueError(f'it holds an array in version {version} of the .npy format')


def map_sequences(
    path: Union[str, Path], arrays: Dict[str, np.ndarray], places: Dict[str, Place]
) -> MappedSequences:
    """Check that members and index arrays match, and map the coordinates.

    Raises:
        ValueError: If a member is missing, unknown, or does not match the others.
    """
    found = {*arrays, *places}
    missing = sorted({*REQUIRED} - found)
    if missing:
        raise ValueError(f'it lacks the arrays {missing} and has {sorted(found)}')
    known = {*REQUIRED, *MAPPED, *SPLITS}
    unknown = sorted(n for n in found - known if not n.startswith(('sample/', 'file/')))
    if unknown:
        raise ValueError(f'its arrays {unknown} are unknown')
    if 0 < len(found & {*SPLITS}) < len(SPLITS):
        raise ValueError(f'it lacks the arrays {sorted({*SPLITS} - found)} of the splits')
    number = arrays['bodies'].shape[0] if arrays['bodies'].ndim else 0
    keypoint = places['keypoint'].shape
    if len(keypoint) != 3:
        raise ValueError(f"its 'keypoint' has the shape {keypoint}; expected (R, V, C)")
    for name in ('bodies', 'frames'):
        array = arrays[name]
        if array.shape != (number,) or array.dtype.kind not in 'iu' or number == 0:
            raise ValueError(
                f'its {name!r} is {array.dtype} of shape {array.shape}; expected as many '
                "integers as 'bodies' has, at least one"
            )
    counts = [arrays['bodies'].tolist(), arrays['frames'].tolist()]
    if min(map(min, counts)) < 0:
        raise ValueError("its 'bodies' or 'frames' has negative numbers")
    rows = sum(bodies * frames for bodies, frames in zip(*counts))
    if rows != keypoint[0] or rows == 0:
        raise ValueError(
            f"its 'bodies' and 'frames' imply {rows} rows of 'keypoint', which has {keypoint[0]}"
        )
    if 'keypoint_score' in places and places['keypoint_score'].shape != keypoint[:2]:
        raise ValueError(
            f"its 'keypoint_score' has the shape {places['keypoint_score'].shape}; expected "
            f'(R, V) = {keypoint[:2]}'
        )
    for name, array in arrays.items():
        length = number if name.startswith('sample/') else 1 if name.startswith('file/') else None
        if length is not None and array.shape[:1] != (length,):
            raise ValueError(f'its {name!r} has the shape {array.shape}; expected {length} entries')
    bodies, frames = (np.asarray(values, dtype=np.int64) for values in counts)
    return MappedSequences(str(path), places, bodies, frames)


def to_content(arrays: Dict[str, np.ndarray], sequences: MappedSequences) -> Any:
    """The content that an annotation pickle would have."""
    kinds = read_format(arrays['format'])
    annotations: List[Dict] = [{} for _ in range(len(sequences))]
    content: Dict[str, Any] = {}
    for name, array in arrays.items():
        part, _, key = name.partition('/')
        if part == 'sample':
            for annotation, value in zip(annotations, from_column(array, kinds, name)):
                annotation[key] = value
        elif part == 'file':
            content[key] = from_column(array, kinds, name)[0]
    for index, annotation in enumerate(annotations):
        annotation.update(sequences.view(index))
    if 'split_names' not in arrays:
        return annotations
    content['split'] = read_splits(
        arrays, [a.get('frame_dir', a.get('filename', '')) for a in annotations]
    )
    content['annotations'] = annotations
    return content


def read_format(array: np.ndarray) -> Dict[str, str]:
    """Kinds of the values that are not plain, by member."""
    text = str(array[()]) if array.ndim == 0 else ''
    try:
        found = json.loads(text)
        version, kinds = found['version'], found['kinds']
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"its 'format' is {text[:80]!r}; expected JSON with version and kinds"
        ) from None
    if version != VERSION:
        raise ValueError(f'it is of version {version!r} of the format; expected {VERSION}')
    if not isinstance(kinds, dict) or not all(kind in KINDS for kind in kinds.values()):
        raise ValueError(f"its 'format' names the kinds {kinds!r}; expected some of {KINDS}")
    return kinds


def read_splits(arrays: Dict[str, np.ndarray], names: Sequence[str]) -> Dict[str, List[str]]:
    """Names of splits to names of samples."""
    splits, sizes, samples = (arrays[name] for name in SPLITS)
    whole = sizes.dtype.kind in 'iu' and samples.dtype.kind in 'iu'
    if not whole or splits.ndim != 1 or sizes.shape != splits.shape or samples.ndim != 1:
        raise ValueError(
            f'its {SPLITS} have the shapes {splits.shape}, {sizes.shape} and {samples.shape}; '
            'expected (S,), (S,) and (sum,), the last two integers'
        )
    sizes, samples = sizes.tolist(), samples.tolist()
    if min(sizes, default=0) < 0 or sum(sizes) != len(samples):
        raise ValueError(f"its 'split_sizes' add up to {sum(sizes)}, not to {len(samples)}")
    if samples and not 0 <= min(samples) <= max(samples) < len(names):
        raise ValueError(f"its 'split_samples' exceed the {len(names)} samples")
    if len(set(splits.tolist())) != len(splits):
        raise ValueError(f"its 'split_names' {splits.tolist()} are not all different")
    content, start = {}, 0
    for split, size in zip(splits.tolist(), sizes):
        content[split] = [names[index] for index in samples[start : start + size]]
        start += size
    return content


def from_column(array: np.ndarray, kinds: Dict[str, str], name: str) -> List:
    """Values of one key, one per sample."""
    kind = kinds.get(name, 'plain')
    if kind in ('numpy', 'array'):
        return list(array)
    values = array.tolist()
    return [tuple(value) for value in values] if kind == 'tuple' else values
