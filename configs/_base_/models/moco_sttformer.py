# MoCo v2 with STTFormer.
_base_ = './moco_stgcn.py'
model = dict(backbone=dict(_delete_=True, type='STTFormer', num_joints=25))
