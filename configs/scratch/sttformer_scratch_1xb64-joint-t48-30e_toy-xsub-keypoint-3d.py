_base_ = [
    '../_base_/models/recognizer_sttformer.py',
    '../_base_/datasets/toy_xsub.py',
    '../_base_/schedules/finetune-sttformer_30e.py',
]

model = dict(cls_head=dict(num_classes=12))
