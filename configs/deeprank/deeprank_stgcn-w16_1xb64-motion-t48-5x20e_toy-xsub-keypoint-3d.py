_base_ = [
    '../_base_/models/deeprank_stgcn-w16.py',
    '../_base_/datasets/pretrain/toy_xsub.py',
    '../_base_/schedules/deeprank_5x20e.py',
]

model = dict(data_preprocessor=dict(modality='motion'))
