# The triplet loss with labels, a supervised reference (Fig. 1), with STTFormer.
_base_ = '../_base_/schedules/cosine.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SupervisedTriplet',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STTFormer', num_joints=_base_.num_joints),
    in_channels=256,
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
