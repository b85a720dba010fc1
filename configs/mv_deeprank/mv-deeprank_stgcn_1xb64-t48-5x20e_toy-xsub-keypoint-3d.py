_base_ = [
    '../_base_/models/mv-deeprank_stgcn.py',
    '../_base_/datasets/pretrain/toy_xsub.py',
    '../_base_/schedules/deeprank_5x20e.py',
]
