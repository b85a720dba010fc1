# What lets a run survive a kill, a full disk, SIGTERM, a NaN loss and a process that hangs. Nothing
# else of the package is needed: a config of MMAction2 can inherit this file alone. To resume in the
# middle of an epoch, set train_cfg.type='ResumableTrainLoop' as well.
custom_imports = dict(imports=['deeprank_plugin'], allow_failed_imports=False)

default_hooks = dict(
    checkpoint=dict(type='WholeCheckpointHook', interval=10, max_keep_ckpts=3),
    epoch_seed=dict(type='EpochSeedHook'),
    finite_guard=dict(type='FiniteGuardHook'),
    termination=dict(type='TerminationHook'),
)

# a process that waits for another one fails after 15 minutes, whatever the backend's own default is
env_cfg = dict(dist_cfg=dict(backend='nccl', timeout=900))  # in seconds
