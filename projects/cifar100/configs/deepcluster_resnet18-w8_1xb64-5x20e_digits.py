_base_ = './deeprank_resnet18-w8_1xb64-5x20e_digits.py'

model = dict(
    _delete_=True,
    type='DeepCluster',
    data_preprocessor=dict(type='ImagePreprocessor', modality='joint'),
    backbone=dict(type='ImageResNet', base_channels=8, strides=(2, 2, 2, 2)),
    head=dict(type='ClusterHead', in_channels=64, num_clusters=16),
)
train_dataloader = dict(sampler=dict(_delete_=True, type='ClusterSampler'))
val_evaluator = dict(type='ClusterMetric', _delete_=True)
