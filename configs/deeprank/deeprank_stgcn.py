# DeepRank with ST-GCN, as in the paper: width 64, 256 features.
_base_ = '../_base_/schedules/rounds.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

# RankHead has a ReLU after FC0: with act_cfg=None, the paper's letter, the anchor cancels, and every
# metric measured on UI-PRMD was worse (docs/results.md).
model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STGCN', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial')),
    head=dict(type='RankHead', in_channels=256, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
)
