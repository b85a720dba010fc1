# Masked reconstruction with STTFormer, after SkeletonMAE.
_base_ = '../_base_/schedules/cosine.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonMAE',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STTFormer', num_joints=_base_.num_joints),
    in_channels=256,
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
