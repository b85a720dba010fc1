_base_ = [
    '../_base_/models/mae_stgcn-slim.py',
    '../_base_/datasets/pretrain/toy_xsub.py',
    '../_base_/schedules/cosine_100e.py',
]

val_dataloader = val_cfg = val_evaluator = None  # k-NN by tools/test.py
