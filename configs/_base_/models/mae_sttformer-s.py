# Masked reconstruction with a small STTFormer for trials on a CPU.
_base_ = './mae_sttformer.py'
model = dict(backbone=dict(blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)]), in_channels=64)
