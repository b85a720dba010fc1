# Linear classifier on raw coordinates, which every linear probe must beat.
_base_ = '../_base_/schedules/linear.py'

if _base_.segments != 1:
    raise ValueError('raw coordinates keep their frames apart already; leave --segments out')
modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}_{_base_.recipe}'

frames = 24
model = dict(
    type='SkeletonRecognizer',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='RawSkeleton', frames=frames),
    cls_head=dict(
        type='GCNHead',
        num_classes=_base_.num_classes,
        in_channels=frames * _base_.num_joints * _base_.get('in_channels', 3),
    ),
)
# about half of the highest stable rate: vectors of joints are long, those of motion short
rate = dict(joint=0.02, bone=0.2, motion=20.0)[modality]
optim_wrapper = dict(optimizer=dict(lr=rate))
