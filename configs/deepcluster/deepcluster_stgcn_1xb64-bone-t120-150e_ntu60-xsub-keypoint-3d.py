_base_ = [
    '../_base_/models/deepcluster_stgcn.py',
    '../_base_/datasets/pretrain/ntu60_xsub.py',
    '../_base_/schedules/deeprank_150e.py',
]

model = dict(data_preprocessor=dict(modality='bone'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClusterSampler'))
val_evaluator = dict(type='ClusterMetric', _delete_=True)
default_hooks = dict(relabel=dict(monitor='cluster/loss'))
