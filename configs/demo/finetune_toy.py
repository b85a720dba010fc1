# The demo's finetuning (tools/demo.py: --data work_dirs/demo/toy.pkl --share 10p --segments 4
# --head-init logreg): clips of 24 frames, as in pretraining.
_base_ = '../finetune/stgcn-w16_pretrained.py'

clip = dict(clip_len=24)
work_dir = (
    f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{_base_.modality}_{_base_.recipe}'
)
model = dict(
    backbone=dict(base_channels=8),
    cls_head=dict(in_channels=32 * _base_.segments),
)
train, test = _base_.train_pipeline, _base_.test_pipeline
train_pipeline = [train[0], dict(train[1], **clip), *train[2:]]
test_pipeline = [test[0], dict(test[1], **clip), *test[2:]]
names = dict(classes='toy')
single = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, metainfo=names), **single)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, metainfo=names), **single)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=108, val_interval=108, min_steps=0)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[86], gamma=0.1)]
default_hooks = dict(logger=dict(interval=100), checkpoint=dict(interval=108))  # logs each epoch
