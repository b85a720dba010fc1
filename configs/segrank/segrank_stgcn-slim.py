# SegRank with the quarter-width ST-GCN: DeepRank that learns what happens when, from two strong views.
_base_ = '../_base_/schedules/pairs.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

segments = 4  # parts of the time, pooled apart
model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STGCNSlim', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial')),
    head=dict(type='RankHead', in_channels=256 * segments, classifier='metric', rank_power=2.0),
    normalize='l2',
    segments=segments,
    two_views=True,
)
