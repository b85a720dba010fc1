# The same with STTFormer.
_base_ = './triplet_stgcn.py'
model = dict(backbone=dict(_delete_=True, type='STTFormer', num_joints=25))
