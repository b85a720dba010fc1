# MoCo v2 with a small STTFormer for trials on a CPU; a queue for about a thousand sequences.
_base_ = './moco_sttformer.py'
model = dict(
    backbone=dict(blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)]), in_channels=64, queue_size=512
)
