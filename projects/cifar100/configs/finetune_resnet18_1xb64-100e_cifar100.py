# Sec. V: 100 epochs, learning rate 0.1, a tenth of it from epoch 50 and again from 75.
_base_ = './_base_/cifar100.py'

custom_imports = dict(imports=['deeprank_plugin', 'projects.cifar100.images'])
model = dict(
    type='RecognizerGCN',
    data_preprocessor=dict(type='ImagePreprocessor', modality='joint'),
    backbone=dict(
        type='ImageResNet',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_resnet18_1xb64-150e_cifar100',
        ),
    ),
    cls_head=dict(type='GCNHead', num_classes=100, in_channels=512),
)
train_cfg = dict(type='ResumableTrainLoop', max_epochs=100, val_begin=1, val_interval=10)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[50, 75], gamma=0.1)]
