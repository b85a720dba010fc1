# The same for sequences of one person.
_base_ = './skeleton3d_t48.py'

num_person = 1
train_pipeline = _base_.train_pipeline
train_pipeline[3].num_person = num_person
test_pipeline = _base_.test_pipeline
test_pipeline[2].num_person = num_person

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
