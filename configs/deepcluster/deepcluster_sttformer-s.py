# DeepCluster with a small STTFormer for trials on a CPU; 32 clusters: about a thousand sequences.
_base_ = '../_base_/schedules/rounds.py'

modality = '{{$MODALITY:joint}}'
work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{modality}{_base_.variant}'

model = dict(
    type='DeepCluster',
    data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout=_base_.body),
    backbone=dict(
        type='STTFormer',
        num_joints=_base_.num_joints,
        blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)],
    ),
    head=dict(type='ClusterHead', in_channels=64, num_clusters=32),
)
train_dataloader = dict(sampler=dict(_delete_=True, type='ClusterSampler'))
val_evaluator = dict(type='ClusterMetric', _delete_=True)
if not _base_.small:
    default_hooks = dict(relabel=dict(monitor='cluster/loss'))
optim_wrapper = dict(optimizer=dict(lr=0.01))
