# The digits of make_digits.py, a narrow network and a short schedule: a minute on a processor.
_base_ = './deeprank_resnet18_1xb64-150e_cifar100.py'

folder = 'data/digits-python'
train_pipeline = [_base_.train_pipeline[0], *_base_.train_pipeline[2:]]  # no mirrored digits
train_dataloader = dict(dataset=dict(ann_file=folder, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(ann_file=folder))
test_dataloader = dict(dataset=dict(ann_file=folder))

model = dict(backbone=dict(base_channels=8, strides=(2, 2, 2, 2)), head=dict(in_channels=64))
train_cfg = dict(max_epochs=20)
default_hooks = dict(
    relabel=dict(_delete_=True, type='RelabelHook', interval=5, max_rounds=4),
    checkpoint=dict(interval=5),
)
