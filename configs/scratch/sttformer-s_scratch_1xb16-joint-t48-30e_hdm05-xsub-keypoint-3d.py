_base_ = [
    '../_base_/models/recognizer_sttformer-s.py',
    '../_base_/datasets/hdm05_xsub.py',
    '../_base_/schedules/finetune-sttformer_30e.py',
]

model = dict(cls_head=dict(num_classes=11))
train_dataloader = dict(batch_size=16)
