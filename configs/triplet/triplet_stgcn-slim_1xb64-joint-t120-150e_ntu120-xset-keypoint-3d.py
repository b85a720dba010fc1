_base_ = [
    '../_base_/models/triplet_stgcn-slim.py',
    '../_base_/datasets/pretrain/ntu120_xset.py',
    '../_base_/schedules/cosine_150e.py',
]

val_dataloader = val_cfg = val_evaluator = None  # k-NN by tools/test.py
