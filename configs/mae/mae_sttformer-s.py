# Masked reconstruction with a small STTFormer for trials on a CPU, after SkeletonMAE.
_base_ = '../_base_/schedules/cosine.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonMAE',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STTFormer',
        num_joints=_base_.num_joints,
        blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)],
    ),
    in_channels=64,
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
