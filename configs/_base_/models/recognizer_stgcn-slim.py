# The quarter-width ST-GCN of the field: 16 ... 64 channels inside, 256 features.
_base_ = './recognizer_stgcn.py'
model = dict(backbone=dict(type='STGCNSlim'))
