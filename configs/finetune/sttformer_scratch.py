# The same network without pretraining, STTFormer.
_base_ = '../_base_/schedules/finetune_sttformer.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}_{_base_.recipe}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STTFormer', num_joints=_base_.num_joints),
    cls_head=dict(**_base_.classifier, in_channels=256 * _base_.segments),
)
