# DeepCluster with the quarter-width ST-GCN.
_base_ = './deepcluster_stgcn.py'
model = dict(backbone=dict(type='STGCNSlim'))
