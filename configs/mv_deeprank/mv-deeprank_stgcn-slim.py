# MV-DeepRank with the quarter-width ST-GCN: joint, bone and motion encoders, three views of each.
_base_ = '../_base_/schedules/rounds.py'

work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}{_base_.variant}'

model = dict(
    type='MVDeepRank',
    data_preprocessor=dict(
        type='SkeletonPreprocessor', modality=['joint', 'bone', 'motion'], layout=_base_.body
    ),
    backbone=dict(type='STGCNSlim', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial')),
    head=dict(type='RankHead', in_channels=256, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
    views=['self', 'other', 'all'],
)
