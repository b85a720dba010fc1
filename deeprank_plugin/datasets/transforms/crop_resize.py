"""Crop a part of the sequence and resize it to a fixed number of frames."""

from typing import Dict, Optional, Sequence

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform


def resize_frames(array: np.ndarray, clip_len: int) -> np.ndarray:
    """Linear interpolation along the second axis (align_corners=False).

    ``torch.nn.functional.interpolate`` gives the same numbers, but needs time as the last axis: two
    more transposed copies of each sequence in the data loader's workers.

    Args:
        array (np.ndarray): Of shape (M, T, ...).
        clip_len (int): Frames of the result.

    Returns:
        np.ndarray: float32, of shape (M, clip_len, ...).
    """
    frames = array.shape[1]
    if frames == clip_len:
        return array.astype(np.float32)
    position = (np.arange(clip_len) + 0.5) * (frames / clip_len) - 0.5
    position = position.clip(0, frames - 1)
    before = position.astype(np.int64)
    after = np.minimum(before + 1, frames - 1)
    weight = (position - before).astype(np.float32)[:, None]
    rows = array.reshape(len(array), frames, -1).astype(np.float32, copy=False)
    first, resized = rows.take(before, axis=1), rows.take(after, axis=1)
    resized -= first
    resized *= weight
    resized += first
    return resized.reshape(len(array), clip_len, *array.shape[2:])


def count_least_frames(
    clip_len: int, min_frames: Optional[int] = None, min_share: Optional[float] = None
) -> int:
    """Minimum length of a random crop, of at most one of two settings; 64 frames without any.

    Args:
        clip_len (int): Frames after the resize.
        min_frames (int, optional): The minimum itself. Defaults to None.
        min_share (float, optional): The minimum as a share of ``clip_len``. Defaults to None.

    Raises:
        ValueError: If both are given, or a number is out of range.
    """
    if min_frames is not None and min_share is not None:
        raise ValueError(
            f'min_frames={min_frames} and min_share={min_share} are both given; expected one of '
            'them: min_share is the minimum as a share of clip_len'
        )
    if clip_len < 1 or (min_frames is not None and min_frames < 1):
        raise ValueError(f'clip_len={clip_len} and min_frames={min_frames} must be positive')
    if min_share is None:
        return 64 if min_frames is None else min_frames
    if not 0 < min_share <= 1:
        raise ValueError(f'min_share={min_share} must be within (0, 1]')
    return max(round(min_share * clip_len), 1)


@TRANSFORMS.register_module()
class CropResize(BaseTransform):
    """Crop a random part of the sequence and resize it to ``clip_len`` frames (Sec. V-B).

    With two numbers, p ~ U(p_interval) and a part of min(max(floor(T * p), min_frames), T) frames
    starting at a random frame is kept. With one number p, ``floor((1 - p) * T / 2)`` frames are cut
    from either end, as CTR-GCN's and STTFormer's test pipelines do. The resize is linear, with the
    numbers of ``torch.nn.functional.interpolate`` (``align_corners=False``).

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, C).
        - keypoint_score (np.ndarray, optional): Of shape (M, T, V).

    Modified Keys:

        - keypoint
        - keypoint_score (optional)
        - total_frames

    Added Keys:

        - clip_len
        - num_clips

    Args:
        p_interval (Sequence[float]): Range of the share of frames, or a single share.
            Defaults to (0.5, 1.0).
        clip_len (int): Frames of the result. Defaults to 120.
        min_frames (int, optional): Minimum length of a random part, if the sequence is that long.
            Defaults to None: 64, unless ``min_share`` is given.
        min_share (float, optional): The same as a share of ``clip_len``, so that it means the same
            for clips of any length; 64 / 120 is the paper's. Defaults to None.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        p_interval: Sequence[float] = (0.5, 1.0),
        clip_len: int = 120,
        min_frames: Optional[int] = None,
        min_share: Optional[float] = None,
    ) -> None:
        self.p_interval = tuple(p_interval)
        if len(self.p_interval) not in (1, 2) or not (
            0 < self.p_interval[0] <= self.p_interval[-1] <= 1
        ):
            raise ValueError(
                f'p_interval={p_interval} must be (low, high) or (share,) within (0, 1]'
            )
        self.clip_len = clip_len
        self.min_frames = count_least_frames(clip_len, min_frames, min_share)

    def transform(self, results: Dict) -> Dict:
        """Crop and resize one sequence."""
        frames = results['keypoint'].shape[1]
        if len(self.p_interval) == 1:
            start = int((1 - self.p_interval[0]) * frames / 2)
            stop = frames - start
        else:
            share = np.random.uniform(self.p_interval[0], self.p_interval[1])
            length = min(max(int(frames * share), self.min_frames), frames)
            start = np.random.randint(frames - length + 1)
            stop = start + length
        for key in ('keypoint', 'keypoint_score'):
            if key in results:
                results[key] = resize_frames(results[key][:, start:stop], self.clip_len)
        results.update(total_frames=self.clip_len, clip_len=self.clip_len, num_clips=1)
        return results

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(p_interval={self.p_interval}, '
            f'clip_len={self.clip_len}, min_frames={self.min_frames})'
        )
