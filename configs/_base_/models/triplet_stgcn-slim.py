# The same with the quarter-width ST-GCN.
_base_ = './triplet_stgcn.py'
model = dict(backbone=dict(type='STGCNSlim'))
