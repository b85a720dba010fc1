# A classifier on STTFormer; a leaf sets num_classes and, for a pretrained encoder, backbone.init_cfg.
_base_ = './recognizer_stgcn.py'
model = dict(backbone=dict(_delete_=True, type='STTFormer', num_joints=25))
