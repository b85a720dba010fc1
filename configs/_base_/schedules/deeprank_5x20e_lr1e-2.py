# The same for STTFormer (Sec. V-B).
_base_ = './deeprank_5x20e.py'

optim_wrapper = dict(optimizer=dict(lr=0.01))
