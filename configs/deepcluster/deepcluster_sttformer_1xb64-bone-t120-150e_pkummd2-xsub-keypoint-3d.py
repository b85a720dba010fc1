_base_ = [
    '../_base_/models/deepcluster_sttformer.py',
    '../_base_/datasets/pretrain/pkummd2_xsub.py',
    '../_base_/schedules/deeprank_150e_lr1e-2.py',
]

model = dict(data_preprocessor=dict(modality='bone'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClusterSampler'))
val_evaluator = dict(type='ClusterMetric', _delete_=True)
default_hooks = dict(relabel=dict(monitor='cluster/loss'))
