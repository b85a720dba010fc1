# Linear probe on small data sets.
_base_ = './linear_100e.py'

train_cfg = dict(max_epochs=30)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[24], gamma=0.1)]
