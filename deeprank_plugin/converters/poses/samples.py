"""Convert one recording of poses to samples: settings, coordinates, parts."""

import math
from pathlib import Path
from typing import Counter as CounterType
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.generic.sequence_list import Row
from deeprank_plugin.datasets.annotations import AnnotationFault, check_keypoint
from deeprank_plugin.datasets.reading import TURNS
from deeprank_plugin.layouts import Layout, find_layout, map_joints

from .coordinates import MOMENT, resample, turn_up
from .formats import FORMATS, read_recording
from .recording import Recording
from .tracking import LINKS, keep_longest, track

MOST = 0.9  # of a part has to lie in its recording
SLOWEST, FASTEST = 1, 1000  # frames per second that are believed


class Settings(NamedTuple):
    """How to read and change recordings.

    Attributes:
        form (str): Format, or 'auto'; see :func:`~.formats.read_recording`.
        dims (int, optional): 2 or 3 coordinates, where files have both.
        layout (str, optional): Joints of the files. None: by their number.
        to_layout (str, optional): Joints of the samples. None: those of the files.
        fps (float, optional): Frames per second. None: what the files say.
        to_fps (float, optional): Frames per second of the samples. None: those of the files.
        scale (float, optional): Factor to metres. None: by the format.
        up (str, optional): Axis that points up in the files, see ``TURNS``. None: by the format.
        img_shape (tuple[int], optional): Height and width of the images. None: what the files say.
        link (str): How persons are linked, see :func:`~.tracking.track`.
        max_gap (int): See there.
        max_distance (float): See there.
        max_persons (int): Persons of a sample; those seen longest.
        cut (float, optional): Seconds of the pieces that whole recordings are cut into.
        in_frames (bool): Whether parts are first and last frame number, instead of seconds.
    """

    form: str = 'auto'
    dims: Optional[int] = None
    layout: Optional[str] = None
    to_layout: Optional[str] = None
    fps: Optional[float] = None
    to_fps: Optional[float] = None
    scale: Optional[float] = None
    up: Optional[str] = None
    img_shape: Optional[Tuple[int, int]] = None
    link: str = 'auto'
    max_gap: int = 10
    max_distance: float = 0.5
    max_persons: int = 2
    cut: Optional[float] = None
    in_frames: bool = False

    def validate(self) -> None:
        """Raise ``ValueError`` if a field is invalid."""
        for name in ('fps', 'to_fps'):
            value = getattr(self, name)
            if value is not None and not SLOWEST <= value <= FASTEST:
                raise ValueError(
                    f'{name}={value!r}; expected {SLOWEST} to {FASTEST} frames a second'
                )
        for name in ('scale', 'cut', 'max_distance'):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f'{name}={value!r}; expected a positive number')
        if self.max_persons < 1 or self.max_gap < 0:
            raise ValueError(
                f'max_persons={self.max_persons}, max_gap={self.max_gap}; expected at least 1 and 0'
            )
        choices = dict(form=('auto', *FORMATS), link=LINKS, up=(None, *TURNS), dims=(None, 2, 3))
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name}={getattr(self, name)!r}; expected one of {allowed}')
        if self.img_shape is not None and min(self.img_shape) < 1:
            raise ValueError(f'img_shape={self.img_shape!r}; expected height and width')
        for layout in (self.layout, self.to_layout):
            if layout is not None:
                find_layout(layout)


class Converted(NamedTuple):
    """Samples of one recording, the layout of their joints, and what was odd."""

    annotations: List[Dict]
    layout: Layout
    counts: CounterType[str]
    name: str


def convert_recording(
    path: Path, parts: Sequence[Tuple[Row, Optional[int]]], settings: Settings
) -> Tuple[List[Converted], List[str]]:
    """Convert one recording to samples, or return a sentence for what failed.

    Args:
        path (Path): The file or folder.
        parts (Sequence[tuple]): Rows of the list that name it, and their classes or None.
        settings (Settings): How to read and change it.

    Returns:
        tuple: One result or none, and a sentence for the recording or each part that failed.
        Samples carry the name of their row as ``row``.
    """
    try:
        recording, layout = read_recording(path, settings.form, settings.dims, settings.layout)
        keypoint, score = track(
            recording, path, settings.link, settings.max_gap, settings.max_distance
        )
        clock = Clock.of(recording, path, parts, settings)
        keypoint, facts = place(keypoint, recording, path, settings)
    except BrokenFile as error:
        return [], [str(error)]
    score = score if keypoint.shape[-1] == 2 else None
    if settings.to_layout is not None:
        target = find_layout(settings.to_layout)
        keypoint, score = map_joints(keypoint, layout, target, score)
        layout = target
    if clock.fps is not None and settings.to_fps is not None:
        keypoint, score = resample(keypoint, score, clock.fps, settings.to_fps)
    rate = settings.to_fps or clock.fps
    if rate is not None:
        facts['fps'] = float(rate)
    annotations: List[Dict] = []
    faults = []
    for row, label in parts:
        try:
            pieces = clock.find_pieces(row, keypoint.shape[1], settings, path, recording.counts)
            for name, first, last in pieces:
                scores = None if score is None else score[:, first:last]
                bodies, scores, left_out = keep_longest(
                    keypoint[:, first:last], scores, settings.max_persons
                )
                recording.counts['persons'] += left_out
                if not len(bodies) and row.part == 0 and settings.cut is not None:
                    recording.counts['blank'] += 1
                    continue
                known = dict(facts, frame_dir=name, row=row.name)
                if label is not None:
                    known['label'] = label
                if row.subject is not None:
                    known['subject'] = row.subject
                annotations.append(make_sample(known, bodies, scores, layout, path))
        except BrokenFile as error:
            faults.append(str(error))
    return [Converted(annotations, layout, recording.counts, str(path))], faults


def place(
    keypoint: np.ndarray, recording: Recording, path: Path, settings: Settings
) -> Tuple[np.ndarray, Dict]:
    """Coordinates in metres, y up (3D), or in pixels (2D), and the size of the images.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, C) as in the file.
        recording (Recording): What the file says of them.
        path (Path): For messages.
        settings (Settings): What takes the place of it.

    Raises:
        BrokenFile: If settings do not fit the number of coordinates, or the coordinates are shares
            of an image of unknown size.
    """
    if keypoint.shape[-1] == 3:
        if settings.img_shape is not None:
            raise BrokenFile(f'{path} is 3D; expected 2D poses: leave --img-shape out, or --dims 2')
        scale = recording.scale if settings.scale is None else settings.scale
        return turn_up(keypoint, settings.up or recording.up) * scale, {}
    if settings.up is not None:
        raise BrokenFile(f'{path} is 2D; expected 3D poses: leave --up out')
    image = settings.img_shape or recording.img_shape
    if recording.shares:
        if image is None:
            raise BrokenFile(
                f'{path} has coordinates as shares of the image, without its width and height; '
                'expected --img-shape HEIGHT WIDTH'
            )
        keypoint = keypoint * np.array(image[::-1])
    facts = {} if image is None else dict(img_shape=image, original_shape=image)
    return keypoint * (settings.scale or 1), facts


class Clock(NamedTuple):
    """Which frames lie where in time.

    Attributes:
        start: When the first frame is, counted in frames of the file.
        step: Every how many-th frame of the recording the file has.
        fps: Frames of the file a second, or None if not known.
        rate: Frames of the sample for each frame of the file.
    """

    start: float
    step: int
    fps: Optional[float]
    rate: float

    @classmethod
    def of(
        cls,
        recording: Recording,
        path: Path,
        parts: Sequence[Tuple[Row, Optional[int]]],
        settings: Settings,
    ) -> 'Clock':
        """The clock of a recording.

        Raises:
            BrokenFile: If the frame rate is absurd, or is needed and not known.
        """
        given = settings.fps or recording.fps
        if given is not None and not SLOWEST <= given <= FASTEST:
            raise BrokenFile(
                f'{path} says {given:.4g} frames a second; expected {SLOWEST} to {FASTEST}: '
                'correct its times, or give --fps'
            )
        fps = None if given is None else given / recording.step
        seconds = any(row.part for row, _ in parts) and not settings.in_frames
        if fps is None and (seconds or settings.to_fps or settings.cut):
            raise BrokenFile(
                f'{path} does not state its frame rate, which --to-fps, --cut and times in seconds '
                'need; expected --fps'
            )
        rate = 1.0 if fps is None or settings.to_fps is None else settings.to_fps / fps
        start = min(recording.frames) + recording.remainder / recording.step
        return cls(start, recording.step, fps, rate)

    def find_pieces(
        self,
        row: Row,
        length: int,
        settings: Settings,
        path: Path,
        counts: CounterType[str],
    ) -> List[Tuple[str, int, int]]:
        """Name, first frame and end (not included) of the samples of a row.

        Args:
            row (Row): The whole recording, or a part of it.
            length (int): Frames of the recording, at the rate of the samples.
            settings (Settings): Unit of the parts, and length of pieces.
            path (Path): For messages.
            counts (Counter): Gains 'beyond' if much of the part lies outside the recording.

        Raises:
            BrokenFile: If the part lies outside the recording.
        """
        if row.part == 0 or row.start is None or row.end is None:
            if settings.cut is None or self.fps is None:
                return [(row.name, 0, length)]
            size = max(1, round(settings.cut * self.fps * self.rate))
            starts = [s for s in range(0, length, size) if s == 0 or length - s >= size / 2]
            return [
                (f'{row.name}_{number:03d}', s, min(s + size, length))
                for number, s in enumerate(starts, 1)
            ]
        if settings.in_frames or self.fps is None:
            low, high = row.start / self.step, (row.end + 1) / self.step
        else:
            low, high = row.start * self.fps, row.end * self.fps
        asked = [math.ceil((n - self.start) * self.rate - MOMENT) for n in (low, high)]
        first, last = (min(max(frame, 0), length) for frame in asked)
        if first >= last:
            ends = [(self.start + n / self.rate) for n in (0, length)]
            unit = 'frames' if settings.in_frames or self.fps is None else 'seconds'
            factor = self.step if unit == 'frames' else 1 / (self.fps or 1)
            shown = ' to '.join(f'{end * factor:.6g}' for end in ends)
            raise BrokenFile(
                f'line {row.line} of the list takes {row.start:g} to {row.end:g} of {path}, which '
                f'has {shown} {unit}; expected a part of it'
            )
        if last - first < MOST * (asked[1] - asked[0]):
            counts['beyond'] += 1
        return [(row.name, first, last)]


def make_sample(
    known: Dict,
    keypoint: np.ndarray,
    score: Optional[np.ndarray],
    layout: Layout,
    path: Path,
) -> Dict:
    """An annotation in MMAction2's format, with the checks of ``SkeletonDataset``.

    Raises:
        BrokenFile: If nobody is seen, or the coordinates cannot be used.
    """
    if not len(keypoint):
        raise BrokenFile(
            f'sample {known["frame_dir"]!r} of {path} shows nobody; expected a person: correct or '
            'remove its line'
        )
    with np.errstate(over='ignore'):
        keypoint = np.ascontiguousarray(keypoint, dtype=np.float32)
    try:
        where = f'sample {known["frame_dir"]!r} of {path}'
        check_keypoint(keypoint, where, layout, score is not None)
    except AnnotationFault as fault:
        raise BrokenFile(str(fault)) from None
    sample = dict(known, total_frames=keypoint.shape[1], keypoint=keypoint)
    if score is not None:
        sample['keypoint_score'] = np.ascontiguousarray(score, dtype=np.float32)
    return sample
