_base_ = [
    '../_base_/models/mae_stgcn-slim.py',
    '../_base_/datasets/pretrain/ntu60_xsub.py',
    '../_base_/schedules/cosine_150e.py',
]

val_dataloader = val_cfg = val_evaluator = None  # k-NN by tools/test.py
