# Linear probe: the encoder is frozen in eval mode, only the classifier is trained.
_base_ = './finetune_stgcn.py'

find_unused_parameters = True  # of the frozen encoder, under distributed training
optim_wrapper = dict(optimizer=dict(lr=1.0, weight_decay=0.0))
default_hooks = dict(freeze=dict(type='FreezeHook', modules=['backbone']))
