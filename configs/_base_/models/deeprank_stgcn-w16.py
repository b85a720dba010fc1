# A small ST-GCN for trials on a CPU: width 16, 64 features.
_base_ = './deeprank_stgcn.py'
model = dict(backbone=dict(base_channels=16), head=dict(in_channels=64))
