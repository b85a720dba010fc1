# Skeletons (Sec. V-B): centre, crop and resize to clip_len frames, rotate; loaders and evaluators. 2D
# poses are divided by the size of the image, as in MMAction2, and not rotated.
_base_ = './data/{{$DATA:ntu60_xsub}}.py'

from deeprank_plugin.layouts import find_layout

skeleton = find_layout(_base_.layout)
body, graph = skeleton.setting, skeleton.graph_layout  # layouts of data sets and of graph_cfg
num_joints = skeleton.num_joints
planar = skeleton.planar or _base_.get('in_channels') == 2
del skeleton
if _base_.get('in_channels', 3) != 3:
    model = dict(backbone=dict(in_channels=_base_.in_channels))

if planar:
    normalize = dict(type='PreNormalize2D', img_shape=_base_.get('img_shape', [1080, 1920]))
    rotation, shear = [], []
else:
    normalize = dict(type='CenterSkeleton')
    if body != 'nturgb+d':
        normalize.update(layout=body)
    rotation = [dict(type='RandomRotate3D', angle=0.3)]
    shear = [dict(type='RandomShear3D', beta=0.5)]  # of strong views, and of MoCo

train_part, test_part = {}, dict(split=_base_.val_split)
knn_part = dict(split=[_base_.train_split, _base_.val_split])
holdout_subjects = '{{$HOLDOUT_SUBJECTS:none}}'  # such as 1,5: to choose settings by
if holdout_subjects != 'none':  # subjects of the training split take the place of the test split
    held_out = holdout_subjects.split(',')
    data = f'{_base_.data}_without-{"-".join(held_out)}'
    train_part = dict(subjects=dict(held_out=held_out, part='train'))
    test_part = dict(split=_base_.train_split, subjects=dict(held_out=held_out, part='holdout'))
    knn_part = dict(split=_base_.train_split, subjects=dict(held_out=held_out, part='both'))

meta_keys = ('sample_idx', 'frame_dir', 'split')
train_pipeline = [
    normalize,
    dict(type='CropResize', p_interval=(0.5, 1.0), clip_len=_base_.clip_len),
    *rotation,
    dict(type='FormatGCNInput', num_person=_base_.num_person),
    dict(type='PackActionInputs', meta_keys=meta_keys),
]
test_pipeline = [
    normalize,
    dict(type='CropResize', p_interval=(0.95,), clip_len=_base_.clip_len),
    dict(type='FormatGCNInput', num_person=_base_.num_person),
    dict(type='PackActionInputs', meta_keys=meta_keys),
]

handover = dict(  # from workers: few tensors, and where there is a GPU in pinned memory
    num_workers=2 if _base_.small else 4,
    persistent_workers=True,
    collate_fn=dict(type='stack_samples'),
    pin_memory=True,
)
train_dataloader = dict(
    batch_size=64,
    **handover,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='SkeletonDataset',
        ann_file=_base_.get('train_files', _base_.ann_file),
        split=_base_.train_split,
        **train_part,
        layout=body,
        pipeline=train_pipeline,
        metainfo=dict(classes=_base_.class_names),  # saved in checkpoints
    ),
)
val_dataloader = dict(
    batch_size=64,
    **handover,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SkeletonDataset',
        ann_file=_base_.ann_file,
        **test_part,
        layout=body,
        pipeline=test_pipeline,
        metainfo=dict(classes=_base_.class_names),  # compared with those of a checkpoint
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
