# The first 100 digits of the training split are labelled; 20 epochs leave the network from scratch
# far from trained (65 % in place of 85 %).
_base_ = './finetune_resnet18_1xb64-100e_cifar100.py'

folder = 'data/digits-python'
train_pipeline = [_base_.train_pipeline[0], *_base_.train_pipeline[2:]]  # no mirrored digits
train_dataloader = dict(
    batch_size=16, dataset=dict(ann_file=folder, pipeline=train_pipeline, indices=100)
)
val_dataloader = dict(dataset=dict(ann_file=folder))
test_dataloader = dict(dataset=dict(ann_file=folder))

model = dict(
    backbone=dict(
        base_channels=8,
        strides=(2, 2, 2, 2),
        init_cfg=dict(checkpoint='work_dirs/deeprank_resnet18-w8_1xb64-5x20e_digits'),
    ),
    cls_head=dict(num_classes=10, in_channels=64),
)
train_cfg = dict(max_epochs=60)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[30, 45], gamma=0.1)]
optim_wrapper = dict(optimizer=dict(lr=0.02))
auto_scale_lr = dict(base_batch_size=16)
