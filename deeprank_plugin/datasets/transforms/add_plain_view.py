"""The plain view of a sample as its last clip, for a teacher."""

from typing import Dict, List

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform, Compose

from .two_views import copy_sample, join_views


@TRANSFORMS.register_module()
class AddPlainView(BaseTransform):
    """Augment a sequence for the encoders, and add its plain view as one more clip, the last.

    ``DeepRank`` and ``MVDeepRank`` with ``teacher_momentum`` show the last clip to the teacher
    alone. Random numbers are drawn as without the plain view.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, C).
        - keypoint_score (np.ndarray, optional): Of shape (M, T, V).

    Modified Keys:

        - keypoint: Of shape (M, (clips + 1) T', V, C), as ``FormatGCNInput`` takes clips.
        - keypoint_score: Likewise.
        - num_clips: One more than the transforms give.

    Args:
        transforms (list[dict]): What the encoders see; may hold ``TwoViews``.
        plain (list[dict]): What the teacher sees: those of the test pipeline, which give clips
            of the same length.
    """

    def __init__(self, transforms: List[Dict], plain: List[Dict]) -> None:
        self.transforms = Compose(transforms)
        self.plain = Compose(plain)

    def transform(self, results: Dict) -> Dict:
        """Augment one sequence, and add the plain one."""
        views = (self.transforms, self.plain)
        return join_views([transforms(copy_sample(results)) for transforms in views])

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}({self.transforms}, plain={self.plain})'
