"""Batches that are cheap to hand from a worker to the main process, and on to a device.

Each tensor that a worker sends is a file descriptor through a socket, and each one that goes to a
device is a copy: a batch is therefore one tensor of coordinates and one of labels.
"""

from typing import Any, Dict, Iterator, List, Optional, Sequence

import torch
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch import Tensor
from torch.utils.data import default_collate


class SampleBatch:
    """The samples of a batch, read as a list of ``ActionDataSample`` but kept by column.

    Samples are made when they are first asked for. A pretrainer that needs only names and indices
    takes them from ``metainfo``.

    Args:
        metainfo (dict[str, list]): B values of each meta key, such as 'frame_dir'.
        labels (Tensor, optional): ``gt_label`` of all samples, of shape (B, ...). Defaults to None.
        number (int): B.
    """

    def __init__(self, metainfo: Dict[str, List], labels: Optional[Tensor], number: int) -> None:
        self.metainfo = metainfo
        self.labels = labels
        self.number = number
        self._samples: Optional[List[ActionDataSample]] = None

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index):
        return self.samples[index]

    def __iter__(self) -> Iterator[ActionDataSample]:
        return iter(self.samples)

    @property
    def samples(self) -> List[ActionDataSample]:
        """The samples as a list, the same objects each time."""
        if self._samples is None:
            columns = self.metainfo.items()
            self._samples = [
                ActionDataSample(metainfo={key: values[index] for key, values in columns})
                for index in range(self.number)
            ]
            if self.labels is not None:
                for sample, label in zip(self._samples, self.labels):
                    sample.set_field(label, 'gt_label')
        return self._samples

    def new(self) -> 'SampleBatch':
        """The same batch, without what has been set on its samples."""
        return SampleBatch(self.metainfo, self.labels, self.number)

    def pin_memory(self) -> 'SampleBatch':
        """Called by ``DataLoader``; labels are read on the host, so nothing is to be done."""
        return self


class SequenceBatch:
    """Sequences of different lengths, read as a list but kept in one tensor.

    Args:
        frames (Tensor): All frames, of shape (clips, M, sum of all T, V, C).
        lengths (list[int]): Number of frames T of each sequence.
    """

    def __init__(self, frames: Tensor, lengths: List[int]) -> None:
        self.frames = frames
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Tensor:
        return list(self)[index]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.frames.split(self.lengths, dim=2))

    def to(self, *args, **kwargs) -> 'SequenceBatch':
        """As ``Tensor.to``."""
        return SequenceBatch(self.frames.to(*args, **kwargs), self.lengths)

    def pin_memory(self) -> 'SequenceBatch':
        """Called by ``DataLoader`` where there is a device."""
        return SequenceBatch(self.frames.pin_memory(), self.lengths)


@FUNCTIONS.register_module()
def stack_samples(data_batch: Sequence[Dict], _scope_: Optional[str] = None) -> Dict[str, Any]:
    """Collate samples into few tensors; ``SkeletonPreprocessor`` takes the batch.

    What cannot be joined, such as samples with other fields than a label, stays a list, as
    MMEngine's ``pseudo_collate`` gives it.

    Args:
        data_batch (Sequence[dict]): B outputs of ``PackActionInputs``: ``inputs`` of shape
            (clips, M, T, V, C) and ``data_samples``.
        _scope_ (str, optional): Not used. MMEngine passes it where a config inherits from the
            configs of a package. Defaults to None.

    Returns:
        dict: ``inputs``, of shape (B, clips, M, T, V, C) or a :class:`SequenceBatch` where T
        differs, and ``data_samples``, a :class:`SampleBatch`.
    """
    batch = pseudo_collate(data_batch)
    batch['inputs'] = join_sequences(batch['inputs'])
    batch['data_samples'] = join_samples(batch['data_samples'])
    return batch


def join_sequences(sequences: Any) -> Any:
    """One tensor of sequences (clips, M, T, V, C) that differ in T at most; others as they are."""
    if not all(isinstance(s, Tensor) and s.dim() == 5 for s in sequences):
        return sequences
    first = sequences[0]
    if all(s.shape == first.shape and s.dtype == first.dtype for s in sequences):
        return default_collate(list(sequences))  # in a worker: directly in shared memory
    kinds = {(s.shape[:2], s.shape[3:], s.dtype) for s in sequences}
    if len(kinds) > 1:
        return sequences
    return SequenceBatch(torch.cat(list(sequences), dim=2), [s.shape[2] for s in sequences])


def join_samples(samples: Any) -> Any:
    """Columns of samples with equal meta keys and no field but ``gt_label``; others as they are."""
    if not all(type(sample) is ActionDataSample for sample in samples):
        return samples
    kinds = {(frozenset(s.keys()), frozenset(s.metainfo_keys())) for s in samples}
    fields, keys = next(iter(kinds))
    if len(kinds) > 1 or fields - {'gt_label'}:
        return samples
    labels = None
    if fields:
        if len({sample.gt_label.shape for sample in samples}) > 1:
            return samples
        labels = torch.stack([sample.gt_label for sample in samples])
    metainfo = {key: [sample.get(key) for sample in samples] for key in sorted(keys)}
    return SampleBatch(metainfo, labels, len(samples))
