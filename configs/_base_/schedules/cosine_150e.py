# Pretraining without relabelling: as many epochs as DeepRank at most has, the rate annealed once.
_base_ = '../default_runtime.py'

train_cfg = dict(type='ResumableTrainLoop', max_epochs=150)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=150, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
auto_scale_lr = dict(enable=False, base_batch_size=64)
