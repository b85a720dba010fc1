"""Derives bone and motion from joints, on the device, after resizing."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.registry import MODELS
from torch import Tensor

from ..datasets.collate import SampleBatch, SequenceBatch, join_sequences
from ..layouts import JOINTS_OF_GRAPHS, Layout, find_layout
from .batch_augmentation import BatchCropResizeRotate
from .batch_distortion import BatchDistortion
from .utils import to_device, without_autocast

MODALITIES = ('joint', 'bone', 'motion')


@MODELS.register_module()
class SkeletonPreprocessor(ActionDataPreprocessor):
    """Stacks joint sequences and derives the modality that the encoder sees (Eq. 10, Eq. 12).

    Bone is a joint minus its parent; motion is the next frame's joint minus the current one, and
    zero in the last frame. The values equal those of MMAction2's ``JointToBone`` and ``ToMotion``,
    but are computed for the whole batch on the device. In 2D layouts a third channel is a
    confidence score, which is averaged as in MMAction2.

    Args:
        modality (str or list[str]): 'joint', 'bone' or 'motion'; a list makes the output a dict of
            modality to tensor. Defaults to 'joint'.
        layout (str, dict or Layout): Name, path of a ``.json`` file, or dict; see
            :func:`~deeprank_plugin.layouts.find_layout`. Defaults to 'nturgb+d'.
        augment (dict, optional): Arguments of :class:`BatchCropResizeRotate`, which crops,
            resizes and rotates whole sequences on the device in training; the training pipeline
            must then do none of these. 2D layouts need ``angle=0``. A key ``distort`` holds
            arguments of :class:`BatchDistortion`, and ``clips=2`` makes two views of each sample,
            as ``TwoViews`` does; ``plain=0.95`` adds the middle 95 % as one more clip, as
            ``AddPlainView`` does. Defaults to None: the pipeline augments.

    Raises:
        ValueError: If an argument is unknown, 2D data are to be rotated, or an input does not have
            the layout's number of joints.
    """

    def __init__(
        self,
        modality: Union[str, Sequence[str]] = 'joint',
        layout: Union[str, Dict, Layout] = 'nturgb+d',
        augment: Optional[Dict] = None,
    ) -> None:
        super().__init__()
        several = [modality] if isinstance(modality, str) else list(modality)
        unknown = [m for m in several if m not in MODALITIES]
        if unknown or not several or len(set(several)) != len(several):
            raise ValueError(
                f'modality={modality!r} is not known; expected one of {MODALITIES} or a list of '
                'different ones'
            )
        self.modality = modality if isinstance(modality, str) else several
        self.layout = find_layout(layout)
        self.num_joints, self.has_score = self.layout.num_joints, self.layout.planar
        self.augment: Optional[BatchCropResizeRotate] = None
        self.distort: Optional[BatchDistortion] = None
        self.clips = 1
        self.plain: Optional[float] = None
        if augment is not None:
            augment = dict(augment)
            self.clips = augment.pop('clips', 1)
            self.plain = augment.pop('plain', None)
            if 'distort' in augment:
                self.distort = BatchDistortion(self.layout, **augment.pop('distort'))
            self.augment = BatchCropResizeRotate(**augment)
        if self.plain is not None and not 0 < self.plain <= 1:
            raise ValueError(f'augment.plain={self.plain}; expected a share in (0, 1]')
        if self.augment is not None and self.layout.planar and self.augment.angle:
            raise ValueError(
                f'augment rotates by up to {self.augment.angle:g} rad about x, y and z, and layout '
                f'{self.layout.name!r} is 2D, its third channel a score; expected no rotation: set '
                'augment.angle=0'
            )
        self.parents = list(self.layout.parents)  # not a buffer: MMAction2 averages these

    def cast_data(self, data: Any) -> Any:
        """Check a batch and move its inputs to the device, in one copy.

        The copy does not wait where the batch is in pinned memory. Names, indices and labels stay
        on the host, where they are read.

        Args:
            data (dict): ``inputs``, B sequences of shape (clips, M, T, V, C), as a list or as
                :func:`~deeprank_plugin.datasets.stack_samples` joins them, and ``data_samples``.
        """
        if not isinstance(data, Mapping):
            return super().cast_data(data)
        self.check_sequences(data['inputs'], data['data_samples'])
        inputs = data['inputs']
        if isinstance(inputs, (list, tuple)):
            inputs = join_sequences(inputs)
        if isinstance(inputs, (Tensor, SequenceBatch)):
            inputs = inputs.to(self.device, non_blocking=True)
        else:
            inputs = [sequence.to(self.device) for sequence in inputs]
        samples = data['data_samples']  # new ones, so that predictions are not set on the loader's
        samples = samples.new() if isinstance(samples, SampleBatch) else [s.new() for s in samples]
        return {**data, 'inputs': inputs, 'data_samples': samples}

    def preprocess(
        self,
        inputs: Union[Tensor, SequenceBatch, List[Tensor]],
        data_samples,
        training: bool = False,
    ) -> Tuple:
        """Stack the samples, and derive the modality.

        Computed outside autocast, in float32: half precision would round metres to centimetres.

        Args:
            inputs (Tensor, SequenceBatch or list[Tensor]): B sequences of shape
                (clips, M, T, V, C); with ``augment``, T may differ between them and clips is 1.
            data_samples (list or SampleBatch): Samples of the batch.
            training (bool): Whether to augment. Defaults to False.

        Returns:
            tuple: The tensor of shape (B, clips, M, T, V, C), or a dict of these by modality,
            and the samples.
        """
        with without_autocast(inputs[0].device):
            if training and self.augment is not None:
                sequences = list(inputs)
                rotated = self.augment.angle or (self.distort is not None and self.distort.shear)
                check_augmentable(sequences, data_samples, in_space=bool(rotated))
                views = [self.make_view(sequences) for _ in range(self.clips)]
                if self.plain is not None:
                    views.append(self.augment.middle(sequences, self.plain))
                joint = torch.cat(views, dim=1)
            else:
                joint = inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))
                joint = joint.float()
            if isinstance(self.modality, str):
                return self.derive(joint, self.modality), data_samples
            return {m: self.derive(joint, m) for m in self.modality}, data_samples

    def check_sequences(self, sequences: Any, data_samples) -> None:
        """Raise a ``ValueError`` that names the first sample without the layout's joints."""
        whole = isinstance(sequences, Tensor)
        for index, sequence in enumerate(sequences[:1] if whole else sequences):
            shape = sequence.shape
            if len(shape) != 5 or shape[-2] != self.num_joints:
                name = getattr(data_samples[index], 'frame_dir', f'number {index} of the batch')
                raise ValueError(
                    f'sample {name!r} has shape {tuple(shape)}; expected (clips, M, T, '
                    f'{self.num_joints}, C): set the layout of the data preprocessor and of the '
                    "backbone's graph_cfg to that of the data (numbers of joints: "
                    f'{JOINTS_OF_GRAPHS})'
                )

    def make_view(self, inputs: List[Tensor]) -> Tensor:
        """One augmented view (B, 1, M, clip_len, V, C) of sequences (1, M, T_i, V, C)."""
        assert self.augment is not None
        view = self.augment(inputs)
        return view if self.distort is None else self.distort(view)

    def derive(self, joint: Tensor, modality: str) -> Tensor:
        """Derive one modality from joint sequences (..., T, V, C); the shape stays the same."""
        if modality == 'joint':
            return joint
        score = self.has_score and joint.shape[-1] == 3
        if modality == 'bone':
            parents = to_device(torch.tensor(self.parents), joint.device)  # a list would wait
            parent = joint[..., parents, :]
            derived = joint - parent
            if score:
                derived[..., 2] = (joint[..., 2] + parent[..., 2]) / 2
            return derived
        derived = torch.zeros_like(joint)
        now, later = joint[..., :-1, :, :], joint[..., 1:, :, :]
        derived[..., :-1, :, :] = later - now
        if score:
            derived[..., :-1, :, 2] = (now[..., 2] + later[..., 2]) / 2
        return derived


def check_augmentable(inputs: List[Tensor], data_samples, in_space: bool = True) -> None:
    """Check that a batch can be augmented at once: one clip, equal numbers of bodies and channels.

    Args:
        inputs (list[Tensor]): Sequences of shape (clips, M, T, V, C).
        data_samples (list): Samples of the batch.
        in_space (bool): Whether they are rotated or sheared, so that C must be 3: x, y and z.
            Defaults to True.

    Raises:
        ValueError: Names the sample and what to change.
    """
    channels = 3 if in_space else inputs[0].shape[-1]
    for sequence, sample in zip(inputs, data_samples):
        expected = (1, inputs[0].shape[1], channels)
        found = (sequence.shape[0], sequence.shape[1], sequence.shape[-1])
        if found != expected:
            raise ValueError(
                f'sample {sample.metainfo.get("frame_dir")!r} has (clips, bodies, channels) = '
                f'{found}; expected {expected} to augment the batch on the device: let the '
                "training pipeline be [dict(type='CenterSkeleton'), dict(type='FormatGCNInput', "
                "num_person=M), dict(type='PackActionInputs', ...)], or set "
                'data_preprocessor.augment=None'
                + (', or augment.angle=0 and no shear for 2D poses' if in_space else '')
            )
