# The digits of make_digits.py, a narrow network and the schedule of the small skeleton data sets.
_base_ = './_base_/cifar100_pretrain.py'

custom_imports = dict(imports=['deeprank_plugin', 'projects.cifar100.images'])
folder = 'data/digits-python'
train_pipeline = [_base_.train_pipeline[0], *_base_.train_pipeline[2:]]  # no mirrored digits
train_dataloader = dict(dataset=dict(ann_file=folder, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(ann_file=folder))
test_dataloader = dict(dataset=dict(ann_file=folder))

model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='ImagePreprocessor', modality='joint'),
    backbone=dict(type='ImageResNet', base_channels=8, strides=(2, 2, 2, 2)),
    head=dict(type='RankHead', in_channels=64, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
)

train_cfg = dict(max_epochs=100, val_interval=5)
param_scheduler = [
    dict(
        type='CosineRestartLR',
        periods=[20] * 5,
        restart_weights=[1] * 5,
        eta_min=0,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    relabel=dict(_delete_=True, type='RelabelHook', interval=20, max_rounds=5),
    checkpoint=dict(interval=20),
)
