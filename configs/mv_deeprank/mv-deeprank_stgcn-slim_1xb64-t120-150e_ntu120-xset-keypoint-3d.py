_base_ = [
    '../_base_/models/mv-deeprank_stgcn-slim.py',
    '../_base_/datasets/pretrain/ntu120_xset.py',
    '../_base_/schedules/deeprank_150e.py',
]
