# The triplet loss with labels, a supervised reference (Fig. 1), with ST-GCN.
model = dict(
    type='SupervisedTriplet',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality='joint', layout='nturgb+d'),
    backbone=dict(type='STGCN', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    in_channels=256,
)
