# Pretraining (Sec. V-B): the labels are renewed when the validation loss is stable, at most 4 times.
_base_ = '../default_runtime.py'

train_cfg = dict(type='ResumableTrainLoop', max_epochs=150, val_begin=1, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
default_hooks = dict(
    relabel=dict(type='RelabelHook', monitor='rank/loss', patience=5, max_rounds=5)
)
auto_scale_lr = dict(enable=False, base_batch_size=64)
