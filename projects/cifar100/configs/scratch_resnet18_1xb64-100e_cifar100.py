_base_ = './finetune_resnet18_1xb64-100e_cifar100.py'

model = dict(backbone=dict(init_cfg=None))
