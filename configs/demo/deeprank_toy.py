# The demo's pretraining: a tiny ST-GCN on toy actions, four short rounds.
_base_ = '../deeprank/deeprank_stgcn-w16_1xb64-joint-t48-5x20e_toy-xsub-keypoint-3d.py'

model = dict(backbone=dict(base_channels=8), head=dict(in_channels=32))
data_file = 'work_dirs/demo/toy.pkl'
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(ann_file=data_file))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(ann_file=data_file))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(ann_file=data_file))

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
    relabel=dict(interval=6, max_rounds=4), checkpoint=dict(interval=6), logger=dict(interval=4)
)
