_base_ = [
    '../_base_/models/mv-deeprank_stgcn-slim.py',
    '../_base_/datasets/pretrain/ntu60_xsub.py',
    '../_base_/schedules/deeprank_150e.py',
]
