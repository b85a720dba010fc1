# The same for STTFormer (Sec. V-B).
_base_ = './deeprank_150e.py'

optim_wrapper = dict(optimizer=dict(lr=0.01))
