# Masked reconstruction with STTFormer, after SkeletonMAE.
model = dict(
    type='SkeletonMAE',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality='joint', layout='nturgb+d'),
    backbone=dict(type='STTFormer', num_joints=25),
    in_channels=256,
)
