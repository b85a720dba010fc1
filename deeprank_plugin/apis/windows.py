"""Windows over long recordings: where they lie, whom they show, and their scores."""

import warnings
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.model import BaseModel
from rich.progress import track

from deeprank_plugin.datasets.bodies import body_size, measure_motion
from deeprank_plugin.datasets.reading import read_skeleton
from deeprank_plugin.evaluation.functional import fuse_scores

from .inference import check_probabilities
from .inputs import make_batches

NEAR = 1.5
"""Two persons are near if their centres are at most this many body sizes apart."""
MOST_STRETCH = 4
"""A window with fewer frames than the clip's divided by this is warned of."""
FASTEST = 1000
"""Largest frame rate that is believed."""


class WindowSize(NamedTuple):
    """Size of the windows of a recording.

    Attributes:
        frames: Frames of a window.
        step: Frames from the start of a window to that of the next.
        fps: Frames per second.
    """

    frames: int
    step: int
    fps: float


class Place(NamedTuple):
    """A window to classify.

    Attributes:
        recording: Index of the recording.
        bodies: Bodies that it shows, in the order in which the network sees them.
        start: First frame.
        stop: One after the last frame.
    """

    recording: int
    bodies: Tuple[int, ...]
    start: int
    stop: int


class Windows(Sequence):
    """Pipeline inputs of windows, each cut when it is asked for.

    Args:
        infos (Sequence[dict]): Recordings, from :func:`~.inputs.pack_recordings`.
        places (Sequence[Place]): The windows.
        num_person (int, optional): Number of bodies that the pipeline keeps.
    """

    def __init__(
        self, infos: Sequence[Dict], places: Sequence[Place], num_person: Optional[int]
    ) -> None:
        self.infos, self.places, self.num_person = infos, places, num_person

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index):
        place = self.places[index]
        window = dict(self.infos[place.recording], sample_idx=index)
        for key in ('keypoint', 'keypoint_score'):
            if key in window:
                window[key] = window[key][list(place.bodies), place.start : place.stop]
        return read_skeleton(window, num_person=self.num_person)


def size_windows(window: float, stride: float, fps: float, clip_len: Optional[int]) -> WindowSize:
    """The size of windows in frames, rounded.

    Warns of windows that are far shorter than the clip that the network sees.

    Args:
        window (float): Length of a window in seconds.
        stride (float): Seconds from the start of a window to that of the next.
        fps (float): Frames per second.
        clip_len (int, optional): Frames of the clip that the pipeline makes of a window.

    Raises:
        ValueError: If a number is absurd, the window has less than two frames, or some frames would
            lie in no window.
    """
    for name, value in dict(window=window, stride=stride, fps=fps).items():
        require_positive(name, value, 'frames per second' if name == 'fps' else 'seconds')
    if not 1 <= fps <= FASTEST:
        raise ValueError(
            f'fps={fps:g}; expected 1 to {FASTEST} frames per second of the recording'
            + (f', such as {1 / fps:.3g}: {fps:g} looks like seconds per frame' if fps < 1 else '')
        )
    frames, step = round(window * fps), round(stride * fps)
    if frames < 2:
        raise ValueError(
            f'window={window:g} seconds at fps={fps:g} holds {frames} frames; expected at least 2: '
            'take a longer window'
        )
    if not 1 <= step <= frames:
        raise ValueError(
            f'stride={stride:g} seconds at fps={fps:g} is {step} frames and a window has {frames}; '
            'expected from 1 frame to a whole window, so that every frame lies in one'
        )
    if clip_len is not None and frames * MOST_STRETCH < clip_len:
        warnings.warn(
            f'window={window:g} seconds at fps={fps:g} holds {frames} frames, which the pipeline '
            f'stretches to {clip_len}: take a window as long as the actions of the training data',
            stacklevel=3,
        )
    return WindowSize(frames, step, float(fps))


def require_positive(name: str, value: Any, unit: str) -> None:
    """Raise ``ValueError`` unless a value is a positive, finite number."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value < np.inf:
        raise ValueError(f'{name}={value!r}; expected a positive number of {unit}')


def find_clip_len(transforms: Sequence[Any]) -> Optional[int]:
    """Frames of the clip that a pipeline makes, or None if no transform says so."""
    lengths = [step.clip_len for step in transforms if isinstance(
        getattr(step, 'clip_len', None), int)]  # yapf: disable
    return lengths[-1] if lengths else None


def place_windows(total: int, size: WindowSize) -> List[Tuple[int, int]]:
    """(first frame, one after the last) of the windows over a recording.

    They begin every ``size.step`` frames; one more ends with the recording, if these do not. A
    recording shorter than a window is one window.
    """
    if total <= size.frames:
        return [(0, total)]
    starts = list(range(0, total - size.frames + 1, size.step))
    if starts[-1] + size.frames < total:
        starts.append(total - size.frames)
    return [(start, start + size.frames) for start in starts]


def check_near(near: float) -> None:
    """Raise ``ValueError`` unless this is a distance."""
    if isinstance(near, bool) or not isinstance(near, (int, float)) or not 0 <= near < np.inf:
        raise ValueError(f'near={near!r}; expected a distance in body sizes, such as {NEAR}')


def plan_windows(
    infos: Sequence[Dict], sizes: Sequence[WindowSize], num_person: Optional[int], near: float
) -> Tuple[Windows, List[Dict[int, List[int]]]]:
    """All windows of recordings, each once.

    Args:
        infos (Sequence[dict]): Recordings, from :func:`~.inputs.pack_recordings`.
        sizes (Sequence[WindowSize]): Size of the windows of each.
        num_person (int, optional): Number of bodies that the pipeline keeps.
        near (float): As for :func:`group_persons`.

    Returns:
        tuple: The windows, and for each recording a dict from persons who are ever present to the
        indices of their windows.
    """
    places: Dict[Place, int] = {}
    persons: List[Dict[int, List[int]]] = []
    for index, (info, size) in enumerate(zip(infos, sizes)):
        keypoint = info['keypoint']
        present = keypoint.any(axis=(2, 3))
        persons.append({person: [] for person in np.flatnonzero(present.any(axis=1)).tolist()})
        for start, stop in place_windows(keypoint.shape[1], size):
            part = keypoint[:, start:stop], present[:, start:stop]
            for person, bodies in group_persons(*part, num_person, near).items():
                place = Place(index, bodies, start, stop)
                persons[-1][person].append(places.setdefault(place, len(places)))
    return Windows(infos, list(places), num_person), persons


def group_persons(
    keypoint: np.ndarray, present: np.ndarray, num_person: Optional[int], near: float = NEAR
) -> Dict[int, Tuple[int, ...]]:
    """The bodies that each person's window shows.

    A person has a window if she is present in at least half of its frames. It shows her alone if
    ``num_person`` is 1 or None, else together with the nearest ``num_person - 1`` others who have
    one and are near: the median, over frames that show both, of the distance of the two centres
    (mean of the present joints) is at most ``near`` times the mean of the two body sizes. Of
    several bodies the one that moves most comes first, as in NTU's clean-up.

    Args:
        keypoint (np.ndarray): Coordinates of the window, of shape (M, T, V, C).
        present (np.ndarray): Whether a body is present, of shape (M, T).
        num_person (int, optional): Number of bodies that the pipeline keeps.
        near (float): Largest distance of a partner, in body sizes. Defaults to 1.5.

    Returns:
        dict: Person to bodies; both members of a pair may have the same.
    """
    persons = np.flatnonzero(2 * present.sum(axis=1) >= present.shape[1]).tolist()
    if num_person in (None, 1) or len(persons) < 2:
        return {person: (person,) for person in persons}
    sizes = [body_size(keypoint[person][None]) for person in persons]
    centres = np.stack([find_centres(keypoint[person]) for person in persons])  # (M', T, C)
    groups = {}
    for row, person in enumerate(persons):
        distances = {}
        for other in range(len(persons)):
            both = present[person] & present[persons[other]]
            if other == row or not both.any():
                continue
            steps = np.linalg.norm(centres[row, both] - centres[other, both], axis=-1)
            distance = float(np.median(steps))
            if distance <= near * (sizes[row] + sizes[other]) / 2:
                distances[persons[other]] = distance
        partners = sorted(distances, key=lambda other: distances[other])[: num_person - 1]
        groups[person] = order_bodies(keypoint, present, [person, *partners])
    return groups


def find_centres(keypoint: np.ndarray) -> np.ndarray:
    """Mean of the present joints of one body (T, V, C) in each frame: (T, C), zero without any."""
    number = keypoint.any(axis=-1).sum(axis=1)
    return keypoint.sum(axis=1, dtype=np.float64) / np.maximum(number, 1)[:, None]


def order_bodies(keypoint: np.ndarray, present: np.ndarray, bodies: List[int]) -> Tuple[int, ...]:
    """Bodies of a window (M, T, V, C), the one that moves most first."""
    bodies = sorted(bodies)
    motion = [measure_motion(keypoint[body][present[body]]) for body in bodies]
    return tuple(bodies[place] for place in np.argsort(-np.array(motion), kind='stable'))


def score_windows(
    models: Sequence[BaseModel],
    windows: Windows,
    batch_size: Optional[int] = None,
    pipelines: Optional[Sequence[Callable]] = None,
    show_progress: bool = False,
) -> np.ndarray:
    """Probabilities of windows, of several models their mean.

    Args:
        models (Sequence[BaseModel]): Classifiers with the same classes.
        windows (Windows): N windows.
        batch_size (int, optional): Defaults to that of each config's ``test_dataloader``.
        pipelines (Sequence[callable], optional): Their test pipelines. Defaults to None: built.
        show_progress (bool): Show a progress bar. Defaults to False.

    Returns:
        np.ndarray: Of shape (N, C).

    Raises:
        ValueError: If a model does not return probabilities.
    """
    scores = []
    for number, model in enumerate(models):
        pipeline = pipelines[number] if pipelines else None
        batches: Any = make_batches(model, windows, batch_size, pipeline)
        rows = []
        for batch in track(batches, 'Inference') if show_progress else batches:
            with torch.no_grad():
                rows += [sample.pred_score.float().cpu().numpy() for sample in
                         model.test_step(batch)]  # yapf: disable
        scores.append(np.stack(rows))
        check_probabilities(scores[-1], number + 1)
    return scores[0] if len(scores) == 1 else fuse_scores(scores)
