# Pretraining in rounds (Sec. V-B): 150 epochs, relabelling when the validation loss is stable, at
# most 4 times; small data sets: five rounds of 20 epochs, the rate annealed in each.
_base_ = '../pretrain.py'

train_cfg = dict(
    type='ResumableTrainLoop',
    max_epochs=100 if _base_.small else 150,
    val_begin=1,
    val_interval=5 if _base_.small else 1,
)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
auto_scale_lr = dict(enable=False, base_batch_size=64)
if _base_.small:
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
        relabel=dict(type='RelabelHook', interval=20, max_rounds=5), checkpoint=dict(interval=20)
    )
else:
    default_hooks = dict(
        relabel=dict(type='RelabelHook', monitor='rank/loss', patience=5, max_rounds=5)
    )
