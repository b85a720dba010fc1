# The same for STTFormer.
_base_ = './moco_150e.py'

optim_wrapper = dict(optimizer=dict(lr=0.01))
