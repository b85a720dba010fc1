# Pretraining for small data sets: five rounds of 20 epochs, the learning rate annealed in each.
_base_ = './deeprank_150e.py'

train_cfg = dict(max_epochs=100, val_interval=5)
param_scheduler = [
    dict(
        type='CosineRestartLR',
        periods=[20] * 5,
        restart_weights=[1] * 5,
        eta_min=0,
        by_epoch=True,
        convert_to_iter_based=True)
]
default_hooks = dict(
    relabel=dict(_delete_=True, type='RelabelHook', interval=20, max_rounds=5),
    checkpoint=dict(interval=20))
