"""Two augmentations of one sequence."""

from typing import Dict, List

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform, Compose


@TRANSFORMS.register_module()
class TwoViews(BaseTransform):
    """Apply random transforms to a sequence twice, giving the two clips of a sample.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, C).
        - keypoint_score (np.ndarray, optional): Of shape (M, T, V).

    Modified Keys:

        - keypoint: Of shape (M, 2 T', V, C), one view after the other, as ``FormatGCNInput`` takes
          clips.
        - keypoint_score: Likewise.
        - num_clips: 2

    Args:
        transforms (list[dict]): The transforms; they must give every view the same length.
    """

    def __init__(self, transforms: List[Dict]) -> None:
        self.transforms = Compose(transforms)

    def transform(self, results: Dict) -> Dict:
        """Augment one sequence twice."""
        return join_views([self.transforms(copy_sample(results)) for _ in range(2)])

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}({self.transforms})'


def copy_sample(results: Dict) -> Dict:
    """A sample with arrays of its own: some transforms, as ``PreNormalize2D``, change them."""
    arrays = ('keypoint', 'keypoint_score')
    return {key: value.copy() if key in arrays else value for key, value in results.items()}


def join_views(views: List[Dict]) -> Dict:
    """One sample of the clips of several views, in their order.

    Raises:
        ValueError: If the clips have different lengths: ``FormatGCNInput`` would cut them anew.
    """
    clips = [view.get('num_clips', 1) for view in views]
    frames = [view['keypoint'].shape[1] / number for view, number in zip(views, clips)]
    if len(set(frames)) > 1:
        raise ValueError(
            f'the views of {views[0].get("frame_dir")!r} have {frames} frames a clip; expected '
            'equal lengths: give CropResize the same clip_len in all of them'
        )
    joined = dict(views[0], num_clips=sum(clips))
    for key in ('keypoint', 'keypoint_score'):
        if key in joined:
            joined[key] = np.concatenate([view[key] for view in views], axis=1)
    return joined
