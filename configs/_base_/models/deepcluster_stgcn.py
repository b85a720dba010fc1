# DeepCluster with ST-GCN: 256 clusters, the best number of Table VI.
model = dict(
    type='DeepCluster',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality='joint', layout='nturgb+d'),
    backbone=dict(type='STGCN', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    head=dict(type='ClusterHead', in_channels=256, num_clusters=256),
)
