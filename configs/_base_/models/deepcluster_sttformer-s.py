# DeepCluster with a small STTFormer for trials on a CPU. 32 clusters: about a thousand sequences.
_base_ = './deepcluster_sttformer.py'
model = dict(
    backbone=dict(blocks=[(16, 16, 8), (16, 32, 8), (32, 64, 16)]),
    head=dict(in_channels=64, num_clusters=32),
)
