# DeepRank with a small ST-GCN for trials on a CPU, width 16, 64 features.
_base_ = '../_base_/schedules/rounds.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STGCN', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial'), base_channels=16
    ),
    head=dict(type='RankHead', in_channels=64, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
)
