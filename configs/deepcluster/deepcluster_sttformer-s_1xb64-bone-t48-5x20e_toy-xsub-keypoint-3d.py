_base_ = [
    '../_base_/models/deepcluster_sttformer-s.py',
    '../_base_/datasets/pretrain/toy_xsub.py',
    '../_base_/schedules/deeprank_5x20e_lr1e-2.py',
]

model = dict(data_preprocessor=dict(modality='bone'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClusterSampler'))
val_evaluator = dict(type='ClusterMetric', _delete_=True)
