"""How often each model waits for its device, with 'meta' as the device and data on 'cpu'.

On a GPU a wait drains the queue of kernels, and a blocking copy holds up the host. The numbers are
exact: lower them with the code, so that what is mended stays so.
"""

from functools import partial
from types import SimpleNamespace
from typing import Dict, NamedTuple

import pytest
import torch
import torch._dynamo
from helpers import ROOT
from mmaction.evaluation import AccMetric
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.registry import FUNCTIONS

from deeprank_plugin.engine.extraction import Extracted
from deeprank_plugin.engine.hooks import LateInfoHook
from deeprank_plugin.engine.reporting import measure_features
from deeprank_plugin.evaluation import ClusterMetric, KNNMetric, RankMetric
from deeprank_plugin.models import ClusterHead, RankHead
from deeprank_plugin.models.pretrainers.triplet import triplet_loss
from deeprank_plugin.models.utils import pairwise_distances
from tests.models.device_counter import DeviceCounter

BATCH, FRAMES = 6, 12
GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')
BACKBONE = dict(type='STGCN', graph_cfg=GRAPH, base_channels=4, num_stages=2)
RANK = dict(type='RankHead', in_channels=4, hidden_channels=4)
MODEL_CONFIGS = dict(
    DeepRank=dict(head=RANK),
    MVDeepRank=dict(head=RANK),
    DeepCluster=dict(head=dict(type='ClusterHead', in_channels=4, num_clusters=2)),
    SkeletonMoCo=dict(in_channels=4, queue_size=16, dim=4),
    SkeletonMAE=dict(in_channels=4),
    SupervisedTriplet=dict(in_channels=4),
    SkeletonRecognizer=dict(
        cls_head=dict(type='GCNHead', num_classes=5, in_channels=4),
        data_preprocessor=dict(type='SkeletonPreprocessor'),
    ),
)
METRICS = dict(
    DeepRank=RankMetric,
    MVDeepRank=RankMetric,
    DeepCluster=ClusterMetric,
    SkeletonRecognizer=AccMetric,
)


class Counts(NamedTuple):
    """What :class:`DeviceCounter` counts."""

    waits: int
    copies: int
    blocking: int


def allow(step, log, predict, metric, extract, relabel) -> Dict[str, Counts]:
    """Allowed counts (waits, copies, blocking copies) of each of :class:`Parts`, B = 6."""
    return {name: Counts(*counts) for name, counts in locals().items()}


# step: the batch and, where labels are, the bank's rows or the labels, in one copy each.
# log: LateInfoHook's copy of all losses, which on CUDA is read a step later.
# predict, extract: an encoder's bodies that are present; then the results of the batch together.
ALLOWED = dict(
    DeepRank=allow(
        step=(0, 2, 0),
        log=(1, 0, 0),
        predict=(2, 2, 0),
        metric=(0, 0, 0),
        extract=(1, 1, 0),
        relabel=(9, 3, 3),  # health 5, its k-NN 2, finite rows, labels that flip
    ),
    MVDeepRank=allow(
        step=(0, 3, 0),  # and the bones' parents, here and below
        log=(1, 0, 0),
        predict=(4, 3, 0),  # 3 encoders
        metric=(0, 0, 0),
        extract=(3, 2, 0),
        relabel=(37, 7, 7),  # as DeepRank's, for 3 streams, 9 views and 6 pairs of views
    ),
    DeepCluster=allow(
        step=(0, 2, 0),
        log=(1, 0, 0),
        predict=(2, 2, 0),
        metric=(0, 0, 0),
        extract=(1, 1, 0),
        relabel=(15, 4, 4),  # health and k-NN 7; features and clusters to scikit-learn; sizes
    ),
    SkeletonMoCo=allow(
        step=(0, 1, 0),
        log=(1, 0, 0),
        predict=(1, 1, 0),
        metric=(1, 0, 0),  # k-NN: the features of the batch
        extract=(1, 1, 0),
        relabel=(0, 0, 0),
    ),
    SkeletonMAE=allow(
        step=(0, 1, 0),
        log=(1, 0, 0),
        predict=(1, 1, 0),
        metric=(1, 0, 0),  # k-NN: the features of the batch
        extract=(1, 1, 0),
        relabel=(0, 0, 0),
    ),
    SupervisedTriplet=allow(
        step=(0, 2, 0),
        log=(1, 0, 0),
        predict=(1, 1, 0),
        metric=(1, 0, 0),  # k-NN: the features of the batch
        extract=(1, 1, 0),
        relabel=(0, 0, 0),
    ),
    SkeletonRecognizer=allow(
        step=(0, 2, 0),
        log=(1, 0, 0),
        predict=(2, 1, 0),
        metric=(0, 0, 0),
        extract=(1, 1, 0),
        relabel=(0, 0, 0),
    ),
)
# Device augmentation: frames and weights of the batch, rotations; all else is drawn on the host.
ALLOWED_AUGMENTATION = Counts(0, 4, 0)
# Strong views: and what is drawn of swap, shear, noise and mask, and the order of mirrored joints.
ALLOWED_DISTORTION = Counts(0, 9, 0)


def make_batch(clips=1):
    """A batch of a loader: one person in five of six sequences."""
    samples = []
    for index in range(BATCH):
        sample = ActionDataSample(
            metainfo=dict(sample_idx=index, frame_dir=f's{index}', split='train')
        )
        sample.set_gt_label(index % 5)
        keypoint = torch.randn(clips, 2, FRAMES, 25, 3)
        keypoint[:, int(index > 0) :] = 0
        samples.append(dict(inputs=keypoint, data_samples=sample))
    loader = Config.fromfile(ROOT / 'configs' / 'deeprank' / 'deeprank_stgcn.py').train_dataloader
    collate = FUNCTIONS.get(loader.get('collate_fn', dict(type='pseudo_collate'))['type'])
    return collate(samples)


def make_model(kind, **config):
    torch.manual_seed(0)
    model = MODELS.build({'type': kind, 'backbone': BACKBONE, **MODEL_CONFIGS[kind], **config})
    return model.to('meta')


def fill_bank(model):
    if hasattr(model, 'relabel'):
        streams = len(model.encoders)
        shape = (BATCH, streams, 4) if model.several_modalities else (BATCH, 4)
        model.relabel(torch.rand(shape, device='meta'), [f's{i}' for i in range(BATCH)])


class Parts:
    """What a run does with a model, each part as the runner does it."""

    def __init__(self, kind):
        self.kind, self.model = kind, make_model(kind)
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.optim_wrapper = OptimWrapper(optimizer)
        with DeviceCounter():
            fill_bank(self.model)
            self.step()  # the optimiser makes its state

    def step(self):
        """A training step: preprocessing, loss, backward pass, optimiser."""
        self.model.train()
        batch = make_batch(clips=2 if self.kind == 'SkeletonMoCo' else 1)
        self.logs = self.model.train_step(batch, self.optim_wrapper)

    def log(self):
        """What LateInfoHook keeps of a step."""
        loader, hub = [None] * 9, MessageHub('device discipline')
        runner = SimpleNamespace(train_dataloader=loader, message_hub=hub)
        LateInfoHook(late=True).after_train_iter(runner, 0, outputs=self.logs)

    @torch.no_grad()
    def predict(self):
        """A batch of a validation, without its metrics."""
        self.model.eval()
        self.samples = [s.to_dict() for s in self.model.val_step(make_batch())]

    def metric(self):
        """What the validation's metric, or else k-NN, keeps of a batch."""
        metric = METRICS[self.kind]() if self.kind in METRICS else KNNMetric('train')
        metric.process(None, self.samples)

    @torch.no_grad()
    def extract(self):
        """A batch of an extraction, without its bookkeeping."""
        self.model.eval()
        self.model(**self.model.data_preprocessor(make_batch(), False), mode='tensor')

    def relabel(self):
        """Metrics of the features of a round, and new labels."""
        if not hasattr(self.model, 'relabel'):
            return
        shape = (BATCH, 3, 4) if self.model.several_modalities else (BATCH, 4)
        features, labels = torch.rand(shape, device='meta'), torch.arange(BATCH) % 2
        names = [f's{i}' for i in range(BATCH)]
        measure_features(self.model, Extracted(features, names, labels))
        self.model.relabel(features, names)


@pytest.fixture
def autocast_on_meta(monkeypatch):
    """PyTorch knows no autocast for 'meta': here it is the one of 'cpu'."""
    init = torch.autocast.__init__

    def autocast_init(self, device_type, *args, **kwargs):
        init(self, 'cpu' if device_type == 'meta' else device_type, *args, **kwargs)

    monkeypatch.setattr(torch.autocast, '__init__', autocast_init)


PARTS = ('step', 'log', 'predict', 'metric', 'extract', 'relabel')


@pytest.mark.parametrize('kind', MODEL_CONFIGS)
def test_waits_and_copies(kind, autocast_on_meta):
    parts, found, causes = Parts(kind), {}, {}
    for name in PARTS:
        with DeviceCounter() as counter:
            getattr(parts, name)()
        found[name], causes[name] = Counts(*counter.counts), dict(counter.waits)
    assert found == ALLOWED[kind], f'waits: {causes}'


@pytest.mark.parametrize(('kind', 'encoders', 'copies'), [('DeepRank', 1, 1), ('MVDeepRank', 3, 2)])
def test_a_teacher_waits_once_for_each_encoder(kind, encoders, copies, autocast_on_meta):
    model = make_model(kind, teacher_momentum=0.9)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    with DeviceCounter():
        fill_bank(model)
    with DeviceCounter() as counter:
        model.train().train_step(make_batch(clips=2), wrapper)
    # copies of the batch and of the bones' parents; in eval mode an encoder finds out which bodies
    # are present
    assert Counts(*counter.counts) == Counts(encoders, copies, 0), dict(counter.waits)


@pytest.mark.parametrize('distort', [False, True])
def test_device_augmentation(distort):
    augment = dict(clip_len=FRAMES, min_frames=4)
    if distort:
        augment['distort'] = dict(shear=0.5, noise=0.01, mask=0.15, swap=0.5)
    model = make_model(
        'DeepRank', data_preprocessor=dict(type='SkeletonPreprocessor', augment=augment)
    )
    batch = make_batch()
    inputs = [keypoint.to('meta') for keypoint in batch['inputs']]
    with DeviceCounter() as counter:
        model.data_preprocessor.preprocess(inputs, batch['data_samples'], training=True)
    assert Counts(*counter.counts) == (ALLOWED_DISTORTION if distort else ALLOWED_AUGMENTATION)


def test_mixing_devices_is_found():
    with DeviceCounter(), pytest.raises(RuntimeError, match='add mixes'):
        torch.ones(3, device='meta') + torch.ones(3)


@pytest.mark.parametrize(
    'code, counts',
    [
        (lambda x: int(x[0]), (1, 0, 0)),
        (lambda x: x.tolist(), (1, 0, 0)),
        (lambda x: x.cpu().numpy(), (1, 0, 0)),
        (lambda x: x.to('cpu', non_blocking=True), (0, 1, 0)),
        (lambda x: x[x > 0], (1, 0, 0)),
        (lambda x: x.masked_fill(x > 0, 0.0), (0, 0, 0)),
        (lambda x: x[torch.tensor([0, 1])], (0, 1, 1)),
        (lambda x: x[None, ..., [0, 1]], (0, 1, 1)),
        (lambda x: torch.tensor([0, 1], device=x.device), (0, 1, 1)),
        (lambda x: torch.ones(3).to(x.device, non_blocking=True), (0, 1, 0)),
        (lambda x: torch.arange(3, device=x.device) * torch.tensor(2), (0, 0, 0)),
    ],
)
def test_the_counter_counts(code, counts):
    with DeviceCounter() as counter:
        code(torch.ones(3, device='meta'))
    assert counter.counts == counts


# ------------------------------------------------------------------ graphs


def backbone(**config):
    return MODELS.build(config), (torch.randn(2, 2, 6, 25, 3),)


def rank_head(**config):
    head = RankHead(4, hidden_channels=4, **config)
    distances = pairwise_distances(torch.randn(6, 4))
    return lambda f, d: head.loss(f, d)['loss_rank'], (torch.randn(6, 4), distances)


def cluster_head():
    return ClusterHead(in_channels=4, num_clusters=3).loss, (torch.randn(6, 4), torch.arange(6) % 3)


def triplet():
    distances = pairwise_distances(torch.randn(6, 4))
    return partial(triplet_loss, margin=0.2), (distances, torch.arange(6) % 3)


def pretrainer(kind, clips):
    network = dict(type='STTFormer', blocks=[[4, 4, 2]])
    model = MODELS.build({'type': kind, 'backbone': network, **MODEL_CONFIGS[kind]})
    inputs = torch.randn(4, clips, 2, FRAMES, 25, 3)
    if kind == 'SkeletonMoCo':
        model.copy_once()  # reads a number, once in a run
    return lambda x: model.loss(x, []), (inputs,)


GRAPHS = {
    'STGCN': partial(backbone, inflate_stages=[2], down_stages=[2], **BACKBONE),
    'STTFormer': partial(backbone, type='STTFormer', blocks=[[4, 8, 2]]),
    'RawSkeleton': partial(backbone, type='RawSkeleton', frames=3, align=(4, 8)),
    'RankHead': rank_head,
    'RankHead, metric': partial(rank_head, classifier='metric'),
    'RankHead, MLP': partial(rank_head, classifier='MLP'),
    'RankHead, weighted': partial(rank_head, rank_power=1.0),
    'ClusterHead': cluster_head,
    'triplet_loss': triplet,
    'SkeletonMAE': partial(pretrainer, 'SkeletonMAE', clips=1),
    'SkeletonMoCo': partial(pretrainer, 'SkeletonMoCo', clips=2),
}


@pytest.mark.parametrize('name', GRAPHS)
def test_graph_breaks(name):
    function, inputs = GRAPHS[name]()
    torch._dynamo.reset()
    found = torch._dynamo.explain(function)(*inputs)
    assert found.graph_break_count == 0, found.break_reasons
