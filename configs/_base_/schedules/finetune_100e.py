# Finetuning of ST-GCN (Sec. V-B): 100 epochs, a tenth of the learning rate from epoch 80.
_base_ = '../default_runtime.py'

train_cfg = dict(type='ResumableTrainLoop', max_epochs=100, val_begin=1, val_interval=10)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[80], gamma=0.1)]
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
auto_scale_lr = dict(enable=False, base_batch_size=64)
