# Masked reconstruction with a small ST-GCN for trials on a CPU.
_base_ = './mae_stgcn.py'
model = dict(backbone=dict(base_channels=16), in_channels=64)
