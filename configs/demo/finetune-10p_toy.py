# The demo's finetuning with 10 % of the labels.
_base_ = '../semi/stgcn-w16_deeprank-pretrained-10p_1xb16-joint-t48-30e_toy-xsub-keypoint-3d.py'

model = dict(
    backbone=dict(base_channels=8, init_cfg=dict(checkpoint='work_dirs/demo/pretrain')),
    cls_head=dict(in_channels=32),
)
data_file = 'work_dirs/demo/toy.pkl'
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(ann_file=data_file, labels='work_dirs/demo/labels_10p.txt'),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(ann_file=data_file))
test_dataloader = val_dataloader

train_cfg = dict(val_interval=30)
default_hooks = dict(logger=dict(interval=2), checkpoint=dict(interval=30))
