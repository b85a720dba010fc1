# What training shows the network: the paper's augmentation (weak), or strong views. The labels of
# pretraining always come from the plain view, by the test pipeline.
_base_ = './skeleton.py'

views = '{{$VIEWS:weak}}'  # weak, strong, or strong_swap: strong, and left and right exchanged
variant = '' if views == 'weak' else f'_{views}'  # in the names of work dirs
crop = dict(_base_.train_pipeline[1], min_share=64 / 120)  # of 64 frames in the paper's 120
strength = dict(shear=0.0 if _base_.planar else 0.5, noise=0.01, mask=0.15)
strong = [
    crop,
    *_base_.rotation,
    *_base_.shear,
    dict(type='JointNoise', std=strength['noise']),
    dict(type='JointMask', share=strength['mask']),
]
swap = dict(type='RandomSwapSides', prob=0.5, layout=_base_.body)
students = dict(
    weak=[_base_.train_pipeline[1], *_base_.rotation],
    strong=strong,
    strong_swap=[*strong, swap],
)
# of MoCo, which compares two of them: sheared, or strong where nothing else tells 2D views apart
contrasted = students[views]
if views == 'weak':
    contrasted = strong if _base_.planar else [_base_.train_pipeline[1], *_base_.shear]
# the same views on the device: data_preprocessor.augment
plain_augment = dict(
    p_interval=crop['p_interval'],
    clip_len=_base_.clip_len,
    angle=0.0 if _base_.planar else _base_.rotation[0]['angle'],
)
strong_augment = dict(plain_augment, min_share=crop['min_share'], distort=dict(strength, swap=0.0))
augments = dict(
    weak=plain_augment,
    strong=strong_augment,
    strong_swap=dict(strong_augment, distort=dict(strength, swap=swap['prob'])),
)
train_pipeline = [_base_.train_pipeline[0], *students[views], *_base_.train_pipeline[-2:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
