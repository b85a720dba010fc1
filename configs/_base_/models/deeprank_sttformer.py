# DeepRank with STTFormer as in the paper: 256 features, T a multiple of 6.
_base_ = './deeprank_stgcn.py'
model = dict(backbone=dict(_delete_=True, type='STTFormer', num_joints=25))
