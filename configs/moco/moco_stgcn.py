# MoCo v2 on skeletons with ST-GCN, after SkeletonCLR.
_base_ = '../_base_/schedules/cosine.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonMoCo',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STGCN', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial')),
    in_channels=256,
    queue_size=32768,
)
pair = dict(type='TwoViews', transforms=_base_.contrasted)
train_pipeline = [_base_.train_pipeline[0], pair, *_base_.train_pipeline[-2:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
