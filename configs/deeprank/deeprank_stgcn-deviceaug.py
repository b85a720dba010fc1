# Crop, resize and rotation for the whole batch on the device, in place of the pipeline's.
_base_ = './deeprank_stgcn.py'

work_dir = (
    f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}_{_base_.modality}{_base_.variant}'
)

augment = dict(p_interval=(0.5, 1.0), clip_len=_base_.clip_len, angle=0.0 if _base_.planar else 0.3)
if _base_.views != 'weak':
    swap = 0.5 if _base_.views == 'strong_swap' else 0.0
    augment.update(min_share=64 / 120, distort=dict(_base_.strength, swap=swap))
model = dict(data_preprocessor=dict(augment=augment))
train_pipeline = [_base_.train_pipeline[0], *_base_.train_pipeline[-2:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
