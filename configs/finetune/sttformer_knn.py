# k-NN with a pretrained encoder, STTFormer.
_base_ = '../_base_/schedules/knn.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STTFormer', num_joints=_base_.num_joints),
    cls_head=dict(type='PoolHead', segments=_base_.segments),
)
