_base_ = [
    '../_base_/models/mv-deeprank_stgcn.py',
    '../_base_/datasets/pretrain/pkummd2_xsub.py',
    '../_base_/schedules/deeprank_150e.py',
]
