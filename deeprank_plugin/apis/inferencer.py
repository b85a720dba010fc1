"""MMEngine's inferencer for skeletons: files or arrays in, predictions and animations out."""

import json
import warnings
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union, cast

import numpy as np
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.model import BaseModel
from rich.progress import track
from torch.utils.data import DataLoader

from deeprank_plugin.visualization.animation import animate_skeleton, check_format
from deeprank_plugin.visualization.figure import file_names

from .inference import Prediction, to_prediction
from .inputs import (
    Keypoints,
    is_single,
    make_batches,
    pack_infos,
    pack_recordings,
    require_layout,
)
from .models import init_model, move, require_classifier
from .sequences import read_sequences
from .timeline import FPS, Timeline, find_rate, name_actions, to_timeline_record
from .timeline_pictures import animate_timeline, draw_timeline
from .windows import NEAR

Inputs = Union[str, Path, Keypoints, Sequence[Union[str, Path]]]


class SkeletonInferencer(BaseInferencer):
    """Classify sequences from files, folders or arrays, like MMAction2's inferencers.

    Example:
        >>> inferencer = SkeletonInferencer('configs/finetune/<config>.py', 'epoch_100.pth')
        >>> result = inferencer('recordings/', out_dir='predictions', vis=True)
        >>> result['predictions'][0]['name']

    Args:
        model (str, Path or Config): Config of a classifier.
        weights (str, optional): Its checkpoint; see :func:`init_model`. Defaults to None.
        device (str, optional): Defaults to None: an accelerator, if there is one.
        show_progress (bool): Show a progress bar. Defaults to True.

    Raises:
        FileNotFoundError: If config or checkpoint does not exist.
        ValueError: If the checkpoint is from another network, the model is not a classifier, or the
            device does not exist.
    """

    visualize_kwargs = {'vis_dir', 'vis_format', 'fps'}
    postprocess_kwargs = {'pred_dir', 'topk'}

    def __init__(
        self,
        model: Union[str, Path, Config],
        weights: Optional[str] = None,
        device: Optional[str] = None,
        show_progress: bool = True,
    ) -> None:
        if not isinstance(model, (str, Path, Config)):
            raise TypeError(f'model is a {type(model).__name__}; expected the path of a config')
        # built here, since MMEngine's inferencer looks up names that are not files among its own
        # models, and runs the config text stored in a checkpoint
        built = init_model(model, weights, 'cpu')
        require_classifier(built)
        self._built = built
        super().__init__(
            model=built.cfg, weights=weights, device=device, scope='mmaction',
            show_progress=show_progress,
        )  # yapf: disable

    def __call__(
        self,
        inputs: Inputs,
        return_datasamples: bool = False,
        batch_size: Optional[int] = None,
        out_dir: Optional[Union[str, Path]] = None,
        vis: bool = False,
        vis_format: str = 'gif',
        fps: Optional[float] = None,
        topk: int = 5,
        scale: Optional[float] = None,
        window: Optional[float] = None,
        stride: float = 0.5,
        near: float = NEAR,
    ) -> Dict[str, Any]:
        """Classify, and write the requested files.

        With ``window`` the inputs are recordings of any length, and each person gets a timeline, as
        by :func:`~deeprank_plugin.apis.name_actions`.

        Args:
            inputs (str, Path, np.ndarray, dict or list): File or folder (see
                :func:`read_sequences`), array of shape (M, T, V, C), annotation, or a list of
                these.
            return_datasamples (bool): Return MMAction2's data samples instead of dicts.
                Defaults to False.
            batch_size (int, optional): Defaults to that of the config's ``test_dataloader``.
            out_dir (str, optional): Folder for ``preds/<name>.json`` and, with ``vis``,
                ``vis/<name>.gif``. Defaults to None: nothing is written.
            vis (bool): Animate each sequence beside its prediction. Defaults to False.
            vis_format (str): 'gif', or 'mp4' where ffmpeg is installed. Defaults to 'gif'.
            fps (float, optional): Frames per second. Defaults to None: the key ``fps``, or 30.
            topk (int): Classes to list. Defaults to 5.
            scale (float, optional): Factor to the unit of the training data. Defaults to that of
                the config's test data, or 1.
            window (float, optional): Length of windows in seconds. Defaults to None: each input is
                one sequence with one label.
            stride, near (float): As for :func:`~deeprank_plugin.apis.name_actions`.

        Returns:
            dict: ``predictions``, one per sequence: a dict of ``frame_dir``, ``label``, ``name``,
            ``score``, ``top`` (list of label, name, score) and ``scores`` (C,), or a sample; with
            ``window`` a list with the :class:`~deeprank_plugin.apis.Timeline` of each person. And
            ``visualization``, the files written, or None: with ``window`` also a ``.png`` of each.

        Raises:
            ValueError: If a sequence or frame rate is invalid, or ``vis`` lacks ``out_dir`` or
                ffmpeg.
        """
        if vis:
            if out_dir is None:
                raise ValueError('vis=True and no out_dir; expected a folder for the animations')
            check_format(f'.{vis_format}')
        if topk < 1:
            raise ValueError(f'topk={topk}; expected at least 1')
        folder = None if out_dir is None else Path(out_dir)
        if window is not None:
            if return_datasamples:
                raise ValueError('return_datasamples=True and window; expected one of them')
            options = dict(window=window, stride=stride, fps=fps, near=near, scale=scale)
            return self._name_actions(inputs, options, batch_size, folder, vis, vis_format)
        infos = self._read(inputs, scale)
        for info in infos if vis else ():
            find_rate(info, fps)  # raises before the model runs
        return super().__call__(
            infos,
            return_datasamples,
            batch_size,
            vis_dir=folder / 'vis' if vis and folder else None,
            vis_format=vis_format,
            fps=fps,
            pred_dir=None if folder is None else folder / 'preds',
            topk=topk,
        )

    def preprocess(self, inputs: List[Dict], batch_size: Optional[int] = None) -> DataLoader:
        """Make batches for the model; their number is known to the progress bar."""
        return make_batches(self.model, inputs, batch_size)

    def visualize(
        self,
        inputs: List[Dict],
        preds: List[ActionDataSample],
        vis_dir: Optional[Path] = None,
        vis_format: str = 'gif',
        fps: Optional[float] = None,
    ) -> Optional[List[str]]:
        """Animate each sequence; returns the files."""
        if vis_dir is None:
            return None
        names = [str(info['frame_dir']) for info in inputs]
        paths = [vis_dir / f'{name}.{vis_format}' for name in file_names(names)]
        jobs = list(zip(inputs, preds, paths))
        for info, sample, path in track(jobs, 'Drawing') if self.show_progress else jobs:
            prediction = to_prediction(self.model, sample)
            animate_prediction(self.model, info, prediction, path, find_rate(info, fps) or FPS)
        return [str(path) for path in paths]

    def postprocess(
        self,
        preds: List[ActionDataSample],
        visualization: Optional[List[str]],
        return_datasamples: bool = False,
        pred_dir: Optional[Path] = None,
        topk: int = 5,
    ) -> Dict[str, Any]:
        """Write and return the predictions."""
        infos = [sample.metainfo for sample in preds]
        results = [
            to_record(info, to_prediction(self.model, sample), topk)
            for info, sample in zip(infos, preds)
        ]
        if pred_dir is not None:
            names = file_names([str(info['frame_dir']) for info in infos])
            for name, result in zip(names, results):
                write_json(pred_dir / f'{name}.json', result)
        return dict(
            predictions=preds if return_datasamples else results, visualization=visualization
        )

    def _inputs_to_list(self, inputs: List[Dict]) -> List[Dict]:
        return inputs  # :meth:`_read` has read them

    def _name_actions(
        self,
        inputs: Inputs,
        options: Dict[str, Any],
        batch_size: Optional[int],
        folder: Optional[Path],
        vis: bool,
        vis_format: str,
    ) -> Dict[str, Any]:
        """Timelines of recordings, and the requested files."""
        sequences = self._gather(inputs)
        options = dict(options, batch_size=batch_size, show_progress=self.show_progress)
        timelines = cast(List[List[Timeline]], name_actions(self.model, sequences, **options))
        files = None
        if folder is not None:
            names = file_names([persons[0].name for persons in timelines])
            for name, persons in zip(names, timelines):
                write_json(folder / 'preds' / f'{name}.json', to_timeline_record(persons))
        if vis and folder is not None:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # given while they were classified
                infos = pack_recordings(self.model, sequences, options['scale'])[0]
            jobs = list(zip(infos, timelines, names))
            files = []
            for info, persons, name in track(jobs, 'Drawing') if self.show_progress else jobs:
                path = folder / 'vis' / name
                files.append(draw_timeline(self.model, info, persons, Path(f'{path}.png')))
                moving = Path(f'{path}.{vis_format}')
                files.append(animate_timeline(self.model, info, persons, moving))
        return dict(
            predictions=timelines, visualization=None if files is None else list(map(str, files))
        )

    def _read(self, inputs: Inputs, scale: Optional[float]) -> List[Dict]:
        """Read files, and check all sequences before running the model on the first."""
        return pack_infos(self.model, self._gather(inputs), scale)[0]

    def _gather(self, inputs: Inputs) -> List:
        """The sequences of files, folders and arrays."""
        single = isinstance(inputs, (str, Path)) or is_single(inputs)
        several = cast(Sequence, [inputs] if single else inputs)
        sequences: List = []
        for entry in several:
            if isinstance(entry, (str, Path)):
                sequences += read_sequences(entry)
            else:
                sequences.append(entry)
        return sequences

    def _init_model(self, cfg: Config, weights: Optional[str], device: str = 'cpu') -> BaseModel:
        return move(self.__dict__.pop('_built'), device)

    def _init_pipeline(self, cfg: Config) -> None:
        return None  # make_batches applies it

    def _init_collate(self, cfg: Config) -> None:
        """Left to ``make_batches``: MMEngine looks for a name here, where a loader has a dict."""

    def _init_visualizer(self, cfg: Config) -> None:
        return None  # MMAction2's visualizer draws videos


def write_json(path: Path, content: Any) -> None:
    """Write plain values, into a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + '\n', encoding='utf-8')


def to_record(info: Dict, prediction: Prediction, topk: int = 5) -> Dict[str, Any]:
    """The record written for one sequence: plain values for JSON."""
    return dict(
        frame_dir=info['frame_dir'],
        label=prediction.label,
        name=prediction.name,
        score=float(prediction.scores[prediction.label]),
        top=[list(entry) for entry in prediction.top(topk)],
        scores=prediction.scores.tolist(),
    )


def animate_prediction(
    model: BaseModel, info: Dict, prediction: Prediction, path: Path, fps: float = 30
) -> Path:
    """Animate one sequence beside its top five classes, and the true class if known."""
    return animate_skeleton(
        info['keypoint'],
        path,
        title=str(info['frame_dir']),
        top=[(name, score) for _, name, score in prediction.top(5)],
        truth=true_name(info, prediction.names),
        layout=require_layout(model),
        fps=fps,
    )


def true_name(info: Dict, names: List[str]) -> Optional[str]:
    """Name of a sequence's true class, if it has a label: its own, else one of ``names``."""
    label, own = info.get('label'), info.get('label_names')
    names = names if own is None or not len(own) else own
    if isinstance(label, (int, np.integer)) and 0 <= label < len(names):
        return str(names[int(label)])
    return None
