# DeepRank with STTFormer, as in the paper: 256 features, T a multiple of 6.
_base_ = '../_base_/schedules/rounds.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STTFormer', num_joints=_base_.num_joints),
    head=dict(type='RankHead', in_channels=256, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
