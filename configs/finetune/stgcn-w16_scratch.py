# The same network without pretraining, a small ST-GCN for trials on a CPU.
_base_ = '../_base_/schedules/finetune_stgcn.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}_{_base_.recipe}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STGCN', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial'), base_channels=16
    ),
    cls_head=dict(**_base_.classifier, in_channels=64 * _base_.segments),
)
