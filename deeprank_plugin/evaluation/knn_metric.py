"""Cosine k-NN of features against a training bank."""

import logging
from typing import Dict, List, Optional, Sequence

import numpy as np
import torch
from mmaction.registry import METRICS
from mmengine.device import get_device
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch.nn.functional import normalize

from deeprank_plugin.datasets.subsets import check_labels, labelled_subset

from .functional.knn import knn_scores, topk_accuracy


@METRICS.register_module()
class KNNMetric(BaseMetric):
    """Top-1 and top-5 accuracy of cosine k-NN: one split is the bank, the others are the queries.

    Bank and queries come through the same data loader, so their features are those of the same
    encoder: give ``SkeletonDataset`` a list of splits. Reads ``feat``, ``gt_label`` and the meta
    key ``split`` of each sample. If ``feat`` is a dict of streams, each stream is evaluated, and
    all of them together by the sum of their cosine similarities. Computed on the GPU, if there is
    one.

    Args:
        bank_split (str): Name of the split that is the bank.
        k (int): Number of neighbours; of a smaller bank all samples vote, with a warning. Defaults
            to 20.
        topk (Sequence[int]): Accuracies to report. Defaults to (1, 5).
        labels (dict, optional): ``dict(share=0.1, seed=0)`` keeps the labelled subset of the bank,
            that which ``SkeletonDataset(labels=...)`` draws for finetuning. Reads the meta key
            ``frame_dir``. Defaults to None: the whole bank.
        **kwargs: As for ``BaseMetric``.
    """

    default_prefix = 'knn'

    def __init__(
        self,
        bank_split: str,
        k: int = 20,
        topk: Sequence[int] = (1, 5),
        labels: Optional[Dict] = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if k < 1:
            raise ValueError(f'k={k} must be at least 1')
        self.bank_split = bank_split
        self.k = k
        self.topk = tuple(topk)
        self.labels = None if labels is None else check_labels(labels)

    def process(self, data_batch, data_samples: Sequence[Dict]) -> None:
        """Keep feature, class and split of each sample."""
        for sample in data_samples:
            if 'feat' not in sample or 'split' not in sample:
                raise KeyError(
                    f'a sample carries {sorted(sample)}; expected feat and split: evaluate '
                    "DeepRank or a RecognizerGCN with cls_head=dict(type='PoolHead'), and pack "
                    "the meta key 'split'"
                )
        given = [sample['feat'] for sample in data_samples]
        named = [feature if isinstance(feature, dict) else {'': feature} for feature in given]
        features = {  # one copy from the device for each stream
            name: torch.stack([each[name] for each in named]).float().cpu().numpy()
            for name in named[0]
        }
        for index, sample in enumerate(data_samples):
            feature = {name: rows[index] for name, rows in features.items()}
            known = int(sample['gt_label']), sample['split'], sample.get('frame_dir')
            self.results.append((feature, *known))

    def compute_metrics(self, results: List) -> Dict[str, float]:
        """``top1``, ``top5`` (those of ``topk``), ``num_bank`` and ``num_queries``.

        With several streams, also ``<stream>/top1`` and so on.

        Raises:
            ValueError: If there is no bank, or there are no queries.
        """
        if self.labels is not None:
            results = self._drop_unlabelled(results, **self.labels)
        features, classes, splits, _ = zip(*results)
        labels = np.array(classes)
        in_bank = np.array([split == self.bank_split for split in splits])
        if in_bank.all() or not in_bank.any():
            raise ValueError(
                f'the samples are of the splits {sorted(set(splits))}; expected those of '
                f'{self.bank_split!r} (the bank) and of at least one more (the queries): set '
                "split=['xsub_train', 'xsub_val'] in the dataset and bank_split='xsub_train' here"
            )
        if self.k > in_bank.sum():
            print_log(
                f'KNNMetric: k={self.k} and {int(in_bank.sum())} samples in the bank: all of them '
                'vote. Set a smaller k.',
                logger='current',
                level=logging.WARNING,
            )
        streams = {
            name: torch.from_numpy(np.stack([feature[name] for feature in features]))
            for name in features[0]
        }
        if len(streams) > 1:  # concatenated unit vectors have the mean of the cosines
            unit = [normalize(stream, dim=1) for stream in streams.values()]
            streams[''] = torch.cat(unit, dim=1)
        device, bank = get_device(), torch.from_numpy(in_bank)
        result = {}
        for name, stream in streams.items():
            scores = knn_scores(
                stream[~bank].to(device),
                stream[bank].to(device),
                torch.from_numpy(labels[in_bank]),
                k=self.k,
                num_classes=int(labels.max()) + 1,
            )
            accuracies = topk_accuracy(scores.cpu().numpy(), labels[~in_bank], self.topk)
            prefix = f'{name}/' if name else ''
            result.update({f'{prefix}top{k}': a for k, a in zip(self.topk, accuracies)})
        return dict(result, num_bank=int(in_bank.sum()), num_queries=int((~in_bank).sum()))

    def _drop_unlabelled(self, results: List, share: float, seed: int) -> List:
        """The queries, and the samples of the bank that are in the labelled subset."""
        bank = [(name, label) for _, label, split, name in results if split == self.bank_split]
        names = [name for name, _ in bank]
        if None in names or len(set(names)) != len(names):
            raise KeyError(
                "a labelled subset needs the samples' own names; expected the meta key 'frame_dir' "
                'to be packed, with a name of its own for each sample of the bank'
            )
        kept = set(labelled_subset(names, [label for _, label in bank], share, seed))
        return [row for row in results if row[2] != self.bank_split or row[3] in kept]
