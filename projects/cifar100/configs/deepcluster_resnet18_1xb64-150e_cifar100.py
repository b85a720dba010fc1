_base_ = './deeprank_resnet18_1xb64-150e_cifar100.py'

model = dict(
    _delete_=True,
    type='DeepCluster',
    data_preprocessor=dict(type='ImagePreprocessor', modality='joint'),
    backbone=dict(type='ImageResNet'),
    head=dict(type='ClusterHead', in_channels=512, num_clusters=16),
)
train_dataloader = dict(sampler=dict(_delete_=True, type='ClusterSampler'))
val_evaluator = dict(type='ClusterMetric', _delete_=True)
default_hooks = dict(relabel=dict(monitor='cluster/loss'))
