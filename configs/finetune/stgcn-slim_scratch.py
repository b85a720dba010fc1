# The same network without pretraining, the quarter-width ST-GCN.
_base_ = '../_base_/schedules/finetune_stgcn.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}_{_base_.recipe}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STGCNSlim', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial')),
    cls_head=dict(**_base_.classifier, in_channels=256 * _base_.segments),
)
