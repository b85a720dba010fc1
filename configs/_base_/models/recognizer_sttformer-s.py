# A small STTFormer for trials on a CPU: 3 blocks, 64 features, 280,413 parameters.
_base_ = './recognizer_sttformer.py'
model = dict(
    backbone=dict(blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)]), cls_head=dict(in_channels=64)
)
