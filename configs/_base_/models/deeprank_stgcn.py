# DeepRank with ST-GCN as in the paper: width 64, 256 features.
# RankHead has a ReLU after FC0: with act_cfg=None, the paper's letter, the anchor cancels, and every
# figure measured on UI-PRMD was worse (docs/results.md).
model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality='joint', layout='nturgb+d'),
    backbone=dict(type='STGCN', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    head=dict(type='RankHead', in_channels=256, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
)
