# MoCo v2 with the quarter-width ST-GCN, the network of SkeletonCLR.
_base_ = './moco_stgcn.py'
model = dict(backbone=dict(type='STGCNSlim'))
