_base_ = [
    '../_base_/models/recognizer_stgcn-w16.py',
    '../_base_/datasets/hdm05_xsub.py',
    '../_base_/schedules/finetune_30e.py',
]

model = dict(cls_head=dict(num_classes=11))
train_dataloader = dict(batch_size=16)
