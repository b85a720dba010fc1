# Linear probe of a pretrained encoder, ST-GCN.
_base_ = '../_base_/schedules/linear.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}_{_base_.recipe}'
pretrained = '{{$PRETRAINED:auto}}'
if pretrained == 'auto':  # DeepRank with this network, data and modality
    pretrained = f'work_dirs/deeprank_stgcn_{_base_.data}_{modality}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STGCN',
        graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial'),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    cls_head=dict(**_base_.classifier, in_channels=256 * _base_.segments),
)
