# The same for small data sets on a CPU: 48 frames.
_base_ = './skeleton3d.py'

clip_len = 48
train_pipeline = _base_.train_pipeline
train_pipeline[1].clip_len = clip_len
test_pipeline = _base_.test_pipeline
test_pipeline[1].clip_len = clip_len

train_dataloader = dict(num_workers=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=2, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
