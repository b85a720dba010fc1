# Finetuning: a pretrained encoder and a classifier, a small STTFormer for trials on a CPU.
_base_ = '../_base_/schedules/finetune_sttformer.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}_{_base_.recipe}'
pretrained = '{{$PRETRAINED:auto}}'
if pretrained == 'auto':  # DeepRank with this network, data and modality
    pretrained = f'work_dirs/deeprank_sttformer-s_{_base_.data}_{modality}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STTFormer',
        num_joints=_base_.num_joints,
        blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)],
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    cls_head=dict(**_base_.classifier, in_channels=64 * _base_.segments),
)
