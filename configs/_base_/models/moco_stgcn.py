# MoCo v2 on skeletons with ST-GCN, after SkeletonCLR.
model = dict(
    type='SkeletonMoCo',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality='joint', layout='nturgb+d'),
    backbone=dict(type='STGCN', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    in_channels=256,
    queue_size=32768,
)
