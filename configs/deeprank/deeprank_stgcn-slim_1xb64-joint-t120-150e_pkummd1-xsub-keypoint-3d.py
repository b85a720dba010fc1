_base_ = [
    '../_base_/models/deeprank_stgcn-slim.py',
    '../_base_/datasets/pretrain/pkummd1_xsub.py',
    '../_base_/schedules/deeprank_150e.py',
]
