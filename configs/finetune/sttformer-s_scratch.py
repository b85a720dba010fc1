# The same network without pretraining, a small STTFormer for trials on a CPU.
_base_ = '../_base_/schedules/finetune_sttformer.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}_{_base_.recipe}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STTFormer',
        num_joints=_base_.num_joints,
        blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)],
    ),
    cls_head=dict(**_base_.classifier, in_channels=64 * _base_.segments),
)
