_base_ = [
    '../_base_/models/recognizer_stgcn-slim.py',
    '../_base_/datasets/pkummd1_xview.py',
    '../_base_/schedules/finetune_100e.py',
]

model = dict(cls_head=dict(num_classes=51))
