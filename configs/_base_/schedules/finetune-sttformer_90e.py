# Finetuning of STTFormer (Sec. V-B and its paper): 5 epochs of warm-up, a tenth from 60 and from 80.
_base_ = './finetune_100e.py'

train_cfg = dict(max_epochs=90)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.2,
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True,
    ),
    dict(type='MultiStepLR', by_epoch=True, milestones=[60, 80], gamma=0.1),
]
optim_wrapper = dict(optimizer=dict(weight_decay=4e-4, nesterov=True))
