# The demo's pretraining: SegRank with a thin ST-GCN, clips of 24 frames, three short rounds
# (tools/demo.py: --data work_dirs/demo/toy.pkl). The views of a batch are made all at once.
_base_ = '../segrank/segrank_stgcn-w16.py'

clip_len = 24
work_dir = (
    f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{_base_.modality}{_base_.variant}'
)
augment = dict(_base_.augments[_base_.views], clips=2, clip_len=clip_len)
model = dict(
    data_preprocessor=dict(augment=augment),
    backbone=dict(base_channels=8),
    head=dict(in_channels=32 * _base_.segments),
)
test = _base_.test_pipeline
train_pipeline = [test[0], *test[2:]]  # neither crop nor rotation
test_pipeline = [test[0], dict(test[1], clip_len=clip_len), *test[2:]]
single = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline), **single)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline), **single)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline), **single)

train_cfg = dict(max_epochs=21, val_interval=7)
param_scheduler = [
    dict(
        type='CosineRestartLR',
        periods=[7] * 3,
        restart_weights=[1] * 3,
        eta_min=0,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    relabel=dict(_delete_=True, type='RelabelHook', interval=7, max_rounds=3),
    checkpoint=dict(interval=7),
    logger=dict(interval=100),  # once an epoch
)
