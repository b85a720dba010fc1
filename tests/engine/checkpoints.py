"""Models to publish, and what a checkpoint of a run holds besides."""

import torch

STGCN = dict(
    type='STGCN',
    base_channels=4,
    num_stages=2,
    inflate_stages=[],
    down_stages=[],
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
)


STTFORMER = dict(type='STTFormer', blocks=[(4, 4, 2)], num_heads=1, tuple_length=2)


RANK = dict(type='RankHead', in_channels=4, hidden_channels=4)


def preprocessor(modality):
    return dict(type='SkeletonPreprocessor', modality=modality)


DEEPRANK = dict(
    type='DeepRank', backbone=STGCN, head=RANK, data_preprocessor=preprocessor('motion')
)


MV = dict(
    type='MVDeepRank',
    backbone=STTFORMER,
    head=RANK,
    data_preprocessor=preprocessor(['joint', 'bone', 'motion']),
)


FINETUNED = dict(
    type='RecognizerGCN',
    backbone=STTFORMER,
    cls_head=dict(type='GCNHead', num_classes=3, in_channels=4),
    data_preprocessor=preprocessor('bone'),
)


CONFIG = dict(
    work_dir='work_dirs/run',
    load_from='~/secret/epoch_1.pth',
    limits=(float('inf'), -1.5),
    labels=['/home/someone/labels.txt', 'data/labels.txt', 'C:\\Users\\someone\\a.txt'],
    more_files='data/b.pkl:/home/someone/c.pkl',
    train_dataloader=dict(
        batch_size=2,
        dataset=dict(
            type='RepeatDataset',
            times=2,
            dataset=dict(ann_file='/home/someone/ntu60_3d.pkl', split='xsub_train'),
        ),
    ),
)


def fill(model):
    """Nothing may stay at its plain initial value, BatchNorm's statistics neither."""
    for value in model.state_dict().values():
        value.copy_(torch.randint(1, 9, value.shape) if value.dtype == torch.int64 else value + 1)
        if value.is_floating_point():
            value.add_(torch.randn_like(value))
    return model


def change(checkpoint, **meta):
    checkpoint['meta'].update(meta)
    return checkpoint
