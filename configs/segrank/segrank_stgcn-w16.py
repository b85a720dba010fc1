# SegRank with a small ST-GCN for trials on a CPU: DeepRank that learns what happens when, from two strong views.
_base_ = '../_base_/schedules/pairs.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

segments = 4  # parts of the time, pooled apart
model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STGCN', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial'), base_channels=16
    ),
    head=dict(type='RankHead', in_channels=64 * segments, classifier='metric', rank_power=2.0),
    normalize='l2',
    segments=segments,
    two_views=True,
)
