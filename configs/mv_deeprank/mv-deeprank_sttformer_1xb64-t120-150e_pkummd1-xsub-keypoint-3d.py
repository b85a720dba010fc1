_base_ = [
    '../_base_/models/mv-deeprank_sttformer.py',
    '../_base_/datasets/pretrain/pkummd1_xsub.py',
    '../_base_/schedules/deeprank_150e_lr1e-2.py',
]
