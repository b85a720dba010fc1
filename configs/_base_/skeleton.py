# 3D skeletons (Sec. V-B): centre, crop and resize to clip_len frames, rotate; loaders and evaluators.
_base_ = './data/{{$DATA:ntu60_xsub}}.py'

meta_keys = ('sample_idx', 'frame_dir', 'split')
train_pipeline = [
    dict(type='CenterSkeleton'),
    dict(type='CropResize', p_interval=(0.5, 1.0), clip_len=_base_.clip_len),
    dict(type='RandomRotate3D', angle=0.3),
    dict(type='FormatGCNInput', num_person=_base_.num_person),
    dict(type='PackActionInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='CenterSkeleton'),
    dict(type='CropResize', p_interval=(0.95,), clip_len=_base_.clip_len),
    dict(type='FormatGCNInput', num_person=_base_.num_person),
    dict(type='PackActionInputs', meta_keys=meta_keys),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=2 if _base_.small else 4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='SkeletonDataset',
        ann_file=_base_.ann_file,
        split=_base_.train_split,
        layout='nturgb+d',
        pipeline=train_pipeline,
        metainfo=dict(classes=_base_.class_names),  # saved in checkpoints
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2 if _base_.small else 4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SkeletonDataset',
        ann_file=_base_.ann_file,
        split=_base_.val_split,
        layout='nturgb+d',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
