# MoCo v2 with a small ST-GCN for trials on a CPU; a queue for about a thousand sequences.
_base_ = './moco_stgcn.py'
model = dict(backbone=dict(base_channels=16), in_channels=64, queue_size=512)
