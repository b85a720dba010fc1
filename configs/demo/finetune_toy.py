# The demo's finetuning (tools/demo.py: --data work_dirs/demo/toy.pkl --share 10p).
_base_ = '../finetune/stgcn-w16_pretrained.py'

model = dict(backbone=dict(base_channels=8), cls_head=dict(in_channels=32 * _base_.segments))
work_dir = (
    f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{_base_.modality}_{_base_.recipe}'
)
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader

train_cfg = dict(val_interval=30)
default_hooks = dict(logger=dict(interval=2), checkpoint=dict(interval=30))
