_base_ = [
    '../_base_/models/triplet_stgcn.py',
    '../_base_/datasets/pretrain/uiprmd_xsub.py',
    '../_base_/schedules/cosine_100e.py',
]

val_dataloader = val_cfg = val_evaluator = None  # k-NN by tools/test.py
