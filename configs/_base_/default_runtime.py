# What every run shares: hooks, logs, environment.
_base_ = 'recovery.py'
default_scope = 'mmaction'

default_hooks = dict(
    runtime_info=dict(type='LateInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
    strict_load=dict(type='StrictLoadHook'),
    check_run=dict(type='CheckRunHook'),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
)

# only the training loss and the times are smoothed: MMEngine's own pattern would also average the
# validation loss over the last validations
log_processor = dict(
    type='LogProcessor',
    window_size=20,
    by_epoch=True,
    mean_pattern=r'^((train|val|test)/)?(((joint|bone|motion)/)?loss|time|data_time|grad_norm)',
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='ActionVisualizer', vis_backends=vis_backends)

log_level = 'INFO'
load_from = None
resume = False
