# DeepCluster with the quarter-width ST-GCN: 256 clusters, the best number of Table VI.
_base_ = '../_base_/schedules/rounds.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='DeepCluster',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(type='STGCNSlim', graph_cfg=dict(layout=_base_.graph, mode='stgcn_spatial')),
    head=dict(type='ClusterHead', in_channels=256, num_clusters=256),
)
train_dataloader = dict(sampler=dict(_delete_=True, type='ClusterSampler'))
val_evaluator = dict(type='ClusterMetric', _delete_=True)
if not _base_.small:
    default_hooks = dict(relabel=dict(monitor='cluster/loss'))
