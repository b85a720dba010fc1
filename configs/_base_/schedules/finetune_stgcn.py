# Finetuning of ST-GCN (Sec. V-B): 100 epochs, a tenth of the learning rate from epoch 80; small data
# sets: the same shape in 30 epochs, with few labels at least 3,300 steps at a lower rate.
_base_ = '../downstream.py'

train_cfg = dict(
    type='ResumableTrainLoop',
    max_epochs=100 if _base_.long_schedule else 30,
    val_begin=1,
    val_interval=10,
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[80] if _base_.long_schedule else [24],
        gamma=0.1,
    )
]
optim_wrapper = dict(
    optimizer=dict(
        type='SGD', lr=0.02 if _base_.few_labels else 0.1, momentum=0.9, weight_decay=1e-4
    )
)
auto_scale_lr = dict(enable=False, base_batch_size=_base_.train_dataloader.batch_size)
