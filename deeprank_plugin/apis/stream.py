"""Name what persons do while they are seen, frame by frame."""

import warnings
from collections import deque
from typing import Any, Deque, Dict, Hashable, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.dataset import Compose
from mmengine.model import BaseModel

from deeprank_plugin.datasets.annotations import check_image, check_keypoint
from deeprank_plugin.datasets.reading import read_whole, suspect_axes, suspect_unit

from .inference import Prediction, make_prediction, shared_names
from .inputs import DEFAULTS, find_rules, find_test_data
from .windows import (
    NEAR,
    check_near,
    find_clip_len,
    plan_windows,
    score_windows,
    size_windows,
)

Frame = Union[np.ndarray, Mapping[Hashable, np.ndarray]]


class StreamRecognizer:
    """Classify the last ``window`` seconds of each person every ``stride`` seconds.

    Windows, the persons that they show, and predictions are those of
    :func:`~deeprank_plugin.apis.name_actions` on the recording of all frames, but for the window
    that ends with it; each window is classified once, those of all persons in one batch. The
    frames of one window are kept, nothing else, so memory does not grow; a person who was not seen
    for longer than a window is forgotten.

    Example:
        >>> recognizer = StreamRecognizer(model, window=2.0, stride=0.5, fps=30)
        >>> for frame in camera:  # {track: joints (V, C)}
        ...     for track, prediction in recognizer.push(frame).items():
        ...         print(track, prediction.name)

    Args:
        model (BaseModel or Sequence[BaseModel]): A classifier from :func:`init_model`, or several
            with the same classes, whose probabilities are averaged.
        window (float): Length of a window in seconds. Defaults to 2.0.
        stride (float): Seconds from one window to the next. Defaults to 0.5.
        fps (float): Frames per second that are pushed. Defaults to 30.
        batch_size (int, optional): Defaults to that of the config's ``test_dataloader``.
        scale (float, optional): Factor to the unit of the training data. Defaults to that of the
            config's test data, or 1.
        near (float): With a model of two persons, the largest distance of a partner in body sizes.
            Defaults to 1.5.
        img_shape (tuple[int], optional): Height and width of the images of 2D poses. Defaults to
            None: that of the config's ``PreNormalize2D``.

    Attributes:
        num_frames (int): Frames pushed so far.
        predictions (dict): Latest :class:`Prediction` of each person who is not forgotten.

    Raises:
        ValueError: If a number is absurd, or the models are no classifiers or differ in classes.
    """

    def __init__(
        self,
        model: Union[BaseModel, Sequence[BaseModel]],
        window: float = 2.0,
        stride: float = 0.5,
        fps: float = 30,
        batch_size: Optional[int] = None,
        scale: Optional[float] = None,
        near: float = NEAR,
        img_shape: Optional[Tuple[int, int]] = None,
    ) -> None:
        self.models = [model] if isinstance(model, BaseModel) else list(model)
        self.names = shared_names(self.models)
        check_near(near)
        self.rules = find_rules(self.models[0], scale)
        self.size = size_windows(window, stride, fps, find_clip_len(self.rules.transforms))
        self.pipelines = [Compose(find_test_data(m.cfg).pipeline) for m in self.models]
        self.batch_size, self.near = batch_size, near
        self.facts: Dict[str, Any] = dict(DEFAULTS, frame_dir='stream')
        if img_shape is not None:
            check_image(img_shape, 'the stream')
            self.facts['img_shape'] = img_shape
        self.reset()

    def reset(self) -> None:
        """Forget all frames and persons."""
        self.num_frames = 0
        self.predictions: Dict[Hashable, Prediction] = {}
        self._frames: Deque[Dict[Hashable, np.ndarray]] = deque(maxlen=self.size.frames)
        self._last_seen: Dict[Hashable, int] = {}
        self._shape: Optional[Tuple[int, ...]] = None
        self._first = True  # unit and axes are looked at once

    def push(self, frame: Frame) -> Dict[Hashable, Prediction]:
        """Take the next frame.

        Push every frame, an empty dict where nobody is seen: frames are the clock.

        Args:
            frame (dict or np.ndarray): Joints (V, C) of each person by an id that stays hers, or
                an array (M, V, C) whose rows are persons; all zero is absent. Planar layouts have
                x, y, score.

        Returns:
            dict: Latest prediction of each person who has one and is not forgotten.

        Raises:
            ValueError: If the frame has another shape or layout, or is not finite; it is not taken.
        """
        persons = self._check(frame)
        self._frames.append(persons)
        self._last_seen.update(dict.fromkeys(persons, self.num_frames))
        self.num_frames += 1
        oldest = self.num_frames - self.size.frames
        for person in [p for p, seen in self._last_seen.items() if seen < oldest]:
            del self._last_seen[person]
            self.predictions.pop(person, None)
        if oldest >= 0 and oldest % self.size.step == 0 and self._last_seen:
            self._classify()
        return dict(self.predictions)

    def _check(self, frame: Frame) -> Dict[Hashable, np.ndarray]:
        """The present persons of a frame; arrays are copied."""
        if not isinstance(frame, (Mapping, np.ndarray)) or getattr(frame, 'ndim', 3) != 3:
            found = (
                f'of shape {frame.shape}'
                if isinstance(frame, np.ndarray)
                else f'a {type(frame).__name__}'
            )
            raise ValueError(
                f'frame {self.num_frames} is {found}; expected a dict from person to joints (V, C),'
                ' or an array (M, V, C)'
            )
        persons = frame.items() if isinstance(frame, Mapping) else enumerate(frame)
        present: Dict[Hashable, np.ndarray] = {}
        shape = self._shape
        for person, joints in persons:
            where = f'frame {self.num_frames}, person {person!r}'
            joints = to_joints(joints, where)
            if joints.ndim != 2 or joints.shape != (shape or joints.shape):
                expected = '(V, C)' if shape is None else f'{shape}, as in earlier frames'
                raise ValueError(f'{where} has shape {joints.shape}; expected {expected}')
            if joints.any():
                check_keypoint(joints[None, None], where, self.rules.layout, False)
                present[person] = joints
                shape = joints.shape
        self._shape = shape
        return present

    def _classify(self) -> None:
        """Classify the last window of each person who is present in half of it."""
        persons = list(self._last_seen)
        shape = (len(persons), len(self._frames), *(self._shape or ()))
        keypoint = np.zeros(shape, np.float32)
        for place, person in enumerate(persons):
            for index, frame in enumerate(self._frames):
                if person in frame:
                    keypoint[place, index] = frame[person]
        if self._first:
            self._first = False
            layout = self.rules.layout
            for doubt in (
                suspect_unit([keypoint], layout, 'the stream', self.rules.scale),
                suspect_axes([keypoint], layout, 'the stream'),
            ):
                if doubt is not None:
                    warnings.warn(doubt, stacklevel=3)
        info = read_whole(
            dict(self.facts, keypoint=keypoint, total_frames=len(self._frames)),
            self.rules.layout,
            self.rules.scale,
        )
        windows, (rows,) = plan_windows([info], [self.size], self.rules.num_person, self.near)
        if not len(windows):
            return
        scores = score_windows(self.models, windows, self.batch_size, self.pipelines)
        for row, indices in rows.items():
            for own in scores[indices]:  # one window, or none
                prediction = make_prediction(own, int(own.argmax()), self.names)
                self.predictions[persons[row]] = prediction


def to_joints(joints: Any, where: str) -> np.ndarray:
    """A copy of a person's joints as float32; numbers that it cannot hold become infinite.

    Raises:
        ValueError: If these are no numbers.
    """
    try:
        found = np.asarray(joints)
    except ValueError:  # lists of unequal lengths
        found = np.array(None)
    if found.dtype.kind not in 'fiu':
        shown = ' '.join(str(joints).split())[:60]
        raise ValueError(f'{where} has {shown} of type {found.dtype}; expected numbers (V, C)')
    with np.errstate(over='ignore'):
        return found.astype(np.float32)
