# Masked reconstruction with a small ST-GCN for trials on a CPU, after SkeletonMAE.
_base_ = '../_base_/schedules/cosine.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonMAE',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STGCN', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial'), base_channels=16
    ),
    in_channels=64,
)
