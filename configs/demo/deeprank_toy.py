# The demo's pretraining: a tiny ST-GCN, four short rounds (tools/demo.py: --data work_dirs/demo/toy.pkl).
_base_ = '../deeprank/deeprank_stgcn-w16.py'

model = dict(backbone=dict(base_channels=8), head=dict(in_channels=32))
work_dir = (
    f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{_base_.modality}{_base_.variant}'
)
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)

train_cfg = dict(max_epochs=24, val_interval=3)
param_scheduler = [
    dict(
        type='CosineRestartLR',
        periods=[6] * 4,
        restart_weights=[1] * 4,
        eta_min=0,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    relabel=dict(_delete_=True, type='RelabelHook', interval=6, max_rounds=4),
    checkpoint=dict(interval=6),
    logger=dict(interval=4),
)
