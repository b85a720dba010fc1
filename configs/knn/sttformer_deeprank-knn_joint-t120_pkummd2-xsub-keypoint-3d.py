_base_ = [
    '../_base_/models/recognizer_sttformer.py',
    '../_base_/datasets/pretrain/pkummd2_xsub.py',
    '../_base_/schedules/knn.py',
]

model = dict(cls_head=dict(_delete_=True, type='PoolHead'))
train_dataloader = val_dataloader = val_cfg = val_evaluator = None  # nothing is trained
