# CIFAR-100 in its python version, with the ordinary augmentations.
_base_ = '../../../../configs/_base_/default_runtime.py'

folder = 'data/cifar-100-python'
pack = dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir', 'split'))
train_pipeline = [
    dict(type='PadCrop', padding=4),
    dict(type='RandomHorizontalFlip'),
    dict(type='FormatImage'),
    pack,
]
test_pipeline = [dict(type='FormatImage'), pack]

train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CIFAR100', ann_file=folder, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CIFAR100', ann_file=folder, split='test', pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
auto_scale_lr = dict(enable=False, base_batch_size=64)
