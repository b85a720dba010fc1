_base_ = [
    '../_base_/models/recognizer_stgcn.py',
    '../_base_/datasets/ntu60_xsub.py',
    '../_base_/schedules/finetune_100e.py',
]

model = dict(cls_head=dict(num_classes=60))
