# Masked reconstruction with the quarter-width ST-GCN.
_base_ = './mae_stgcn.py'
model = dict(backbone=dict(type='STGCNSlim'))
