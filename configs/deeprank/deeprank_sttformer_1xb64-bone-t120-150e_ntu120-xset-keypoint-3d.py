_base_ = [
    '../_base_/models/deeprank_sttformer.py',
    '../_base_/datasets/pretrain/ntu120_xset.py',
    '../_base_/schedules/deeprank_150e_lr1e-2.py',
]

model = dict(data_preprocessor=dict(modality='bone'))
