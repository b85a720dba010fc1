# Crop, resize and rotation for the whole batch on the device, in place of the pipeline's.
_base_ = './deeprank_stgcn_1xb64-joint-t120-150e_ntu60-xsub-keypoint-3d.py'

model = dict(data_preprocessor=dict(augment=dict(p_interval=(0.5, 1.0), clip_len=120, angle=0.3)))
train_pipeline = [_base_.train_pipeline[0], *_base_.train_pipeline[3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
