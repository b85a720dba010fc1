# Pretraining without relabelling: as many epochs as DeepRank at most has, the rate annealed once.
_base_ = '../pretrain.py'

max_epochs = 100 if _base_.small else 150
train_cfg = dict(type='ResumableTrainLoop', max_epochs=max_epochs)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=0,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
auto_scale_lr = dict(enable=False, base_batch_size=64)
val_dataloader = val_cfg = val_evaluator = None  # k-NN by tools/test.py
