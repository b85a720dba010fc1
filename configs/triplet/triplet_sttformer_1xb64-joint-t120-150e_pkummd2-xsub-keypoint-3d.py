_base_ = [
    '../_base_/models/triplet_sttformer.py',
    '../_base_/datasets/pretrain/pkummd2_xsub.py',
    '../_base_/schedules/cosine_150e_lr1e-2.py',
]

val_dataloader = val_cfg = val_evaluator = None  # k-NN by tools/test.py
