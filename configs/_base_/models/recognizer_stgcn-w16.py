# A small ST-GCN for trials on a CPU: width 16, 64 features.
_base_ = './recognizer_stgcn.py'
model = dict(backbone=dict(base_channels=16), cls_head=dict(in_channels=64))
