# DeepCluster with a small ST-GCN for trials on a CPU. 32 clusters: about a thousand sequences.
_base_ = './deepcluster_stgcn.py'
model = dict(backbone=dict(base_channels=16), head=dict(in_channels=64, num_clusters=32))
