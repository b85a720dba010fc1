# k-NN with a pretrained encoder, a small ST-GCN for trials on a CPU.
_base_ = '../_base_/schedules/knn.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STGCN', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial'), base_channels=16
    ),
    cls_head=dict(type='PoolHead', segments=_base_.segments),
)
