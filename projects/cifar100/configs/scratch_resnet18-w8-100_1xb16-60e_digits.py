_base_ = './finetune_resnet18-w8-100_1xb16-60e_digits.py'

model = dict(backbone=dict(init_cfg=None))
