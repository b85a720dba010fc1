"""Batches that use all samples of an epoch."""

from typing import Any, Iterator, List

from mmaction.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Sampler


@DATA_SAMPLERS.register_module()
class FullEpochBatchSampler(BatchSampler):
    """Batches of all samples; the last one may be smaller, but never a single sample.

    BatchNorm needs at least two samples for a variance. Where one would be left over, the batch
    before gives it one more, or takes it if it holds only two itself. If the number of samples is a
    multiple of the batch size, the batches are those of PyTorch's own sampler.

    Set it by ``train_dataloader=dict(batch_sampler=dict(type='FullEpochBatchSampler'),
    drop_last=False)``; the batch size remains ``train_dataloader.batch_size``.

    Args:
        sampler (Sampler): Draws the samples; with several processes, those of one.
        batch_size (int): Samples in a batch.
        passes (int): Passes over all samples in an epoch, each in another order;
            ``ResumableTrainLoop`` sets it where a run has to have ``min_steps``. Defaults to 1.

    Raises:
        ValueError: If ``passes`` is below 1.
    """

    def __init__(self, sampler: Sampler, batch_size: int, passes: int = 1) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        if passes < 1:
            raise ValueError(f'passes={passes} of FullEpochBatchSampler; expected at least 1')
        self.passes = passes

    def sizes(self) -> List[int]:
        """Number of samples of each batch of one pass."""
        total = len(self.sampler)  # type: ignore[arg-type]
        whole, rest = divmod(total, self.batch_size)
        sizes = [self.batch_size] * whole + [rest] * (rest > 0)
        if rest == 1 and whole and self.batch_size > 1:
            last = [self.batch_size - 1, 2] if self.batch_size > 2 else [3]
            sizes[-2:] = last
        return sizes

    def __iter__(self) -> Iterator[List[int]]:
        sampler: Any = self.sampler
        epoch = getattr(sampler, 'epoch', None)
        for number in range(self.passes):
            if self.passes > 1 and epoch is not None:
                sampler.set_epoch(epoch * self.passes + number)
            drawn = iter(sampler)
            if self.passes > 1 and epoch is not None:
                sampler.set_epoch(epoch)
            for size in self.sizes():
                yield [next(drawn) for _ in range(size)]

    def __len__(self) -> int:
        return self.passes * len(self.sizes())


def count_passes(min_steps: int, max_epochs: int, batches: int, accumulated: int = 1) -> int:
    """Passes an epoch needs for a run of at least ``min_steps``, if one has so many batches.

    A step takes the gradients of ``accumulated`` batches.
    """
    return max(1, -(-min_steps * accumulated // (max_epochs * max(batches, 1))))
