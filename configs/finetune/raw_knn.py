# k-NN on raw coordinates, which every encoder must beat: tools/test.py CONFIG, without a checkpoint.
_base_ = '../_base_/schedules/knn.py'

if _base_.segments != 1:
    raise ValueError('raw coordinates keep their frames apart already; leave --segments out')
modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='RawSkeleton', frames=24),
    cls_head=dict(type='PoolHead'),
)
