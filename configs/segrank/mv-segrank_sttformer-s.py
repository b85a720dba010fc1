# MV-SegRank with a small STTFormer for trials on a CPU: joint, bone and motion encoders, three views of each.
_base_ = '../_base_/schedules/pairs.py'

work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}{_base_.variant}'

segments = 4  # parts of the time, pooled apart
model = dict(
    type='MVDeepRank',
    data_preprocessor=dict(
        type='SkeletonPreprocessor', modality=['joint', 'bone', 'motion'], layout=_base_.body
    ),
    backbone=dict(
        type='STTFormer',
        num_joints=_base_.num_joints,
        blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)],
    ),
    head=dict(type='RankHead', in_channels=64 * segments, classifier='metric', rank_power=2.0),
    normalize='l2',
    segments=segments,
    two_views=True,
    views=['self', 'other', 'all'],
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
