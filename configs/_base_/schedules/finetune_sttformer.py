# Finetuning of STTFormer (Sec. V-B and its paper): 90 epochs, 5 of warm-up, a tenth from 60 and from
# 80; small data sets: the same shape in 30 epochs.
_base_ = './finetune_stgcn.py'

train_cfg = dict(max_epochs=90 if _base_.long_schedule else 30)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.2,
        by_epoch=True,
        begin=0,
        end=5 if _base_.long_schedule else 2,
        convert_to_iter_based=True,
    ),
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[60, 80] if _base_.long_schedule else [20, 27],
        gamma=0.1,
    ),
]
optim_wrapper = dict(optimizer=dict(weight_decay=4e-4, nesterov=True))
