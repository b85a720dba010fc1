_base_ = './_base_/cifar100_pretrain.py'

custom_imports = dict(imports=['deeprank_plugin', 'projects.cifar100.images'])
model = dict(
    type='DeepRank',
    data_preprocessor=dict(type='ImagePreprocessor', modality='joint'),
    backbone=dict(type='ImageResNet'),
    head=dict(type='RankHead', in_channels=512, hidden_channels=256, act_cfg=dict(type='ReLU')),
    normalize='l2',
)
