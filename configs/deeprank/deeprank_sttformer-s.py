# DeepRank with a small STTFormer for trials on a CPU, 3 blocks, 64 features.
_base_ = '../_base_/schedules/rounds.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STTFormer',
        num_joints=_base_.num_joints,
        blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)],
    ),
    head=dict(type='RankHead', in_channels=64, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
