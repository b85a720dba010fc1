_base_ = [
    '../_base_/models/recognizer_sttformer.py',
    '../_base_/datasets/pkummd2_xsub.py',
    '../_base_/schedules/finetune-sttformer_90e.py',
]

model = dict(cls_head=dict(num_classes=41))
