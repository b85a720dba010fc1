"""Give a skeleton the joints of another layout."""

from pathlib import Path
from typing import Dict, Union

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...layouts import find_layout, find_map, map_joints


@TRANSFORMS.register_module()
class MapJoints(BaseTransform):
    """Copy or average the joints of one layout to those of another; what it lacks is zero.

    See :func:`~deeprank_plugin.layouts.map_joints`. Axes and units stay as they are. It comes first
    in a pipeline; the data set has the source for its ``layout``, and later transforms, the data
    preprocessor and the network have the target.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, C).
        - keypoint_score (np.ndarray, optional): Of shape (M, T, V).

    Modified Keys:

        - keypoint
        - keypoint_score (optional)

    Args:
        source (str or dict): Layout of the data, as for
            :func:`~deeprank_plugin.layouts.find_layout`.
        target (str or dict): Layout that the network has. Defaults to 'nturgb+d'.

    Raises:
        ValueError: If a layout is unknown, its joints have no names, or, at the first sample, one
            is 2D and the other 3D.
    """

    def __init__(
        self, source: Union[str, Path, Dict], target: Union[str, Path, Dict] = 'nturgb+d'
    ) -> None:
        self.source, self.target = find_layout(source), find_layout(target)
        find_map(self.source, self.target)  # says at once if there is none

    def transform(self, results: Dict) -> Dict:
        """Map one sequence."""
        score = results.get('keypoint_score')
        results['keypoint'], score = map_joints(
            results['keypoint'], self.source, self.target, score
        )
        if score is not None:
            results['keypoint_score'] = score
        return results

    def __repr__(self) -> str:
        names = f'source={self.source.name!r}, target={self.target.name!r}'
        return f'{self.__class__.__name__}({names})'
