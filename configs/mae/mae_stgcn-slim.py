# Masked reconstruction with the quarter-width ST-GCN, after SkeletonMAE.
_base_ = '../_base_/schedules/cosine.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonMAE',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STGCNSlim', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial')),
    in_channels=256,
)
