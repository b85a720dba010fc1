# Crop, resize and rotation for the whole batch on the device, in place of the pipeline's.
_base_ = './deeprank_stgcn.py'

work_dir = (
    f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{_base_.modality}{_base_.variant}'
)

model = dict(data_preprocessor=dict(augment=_base_.augments[_base_.views]))
train_pipeline = [_base_.train_pipeline[0], *_base_.train_pipeline[-2:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
