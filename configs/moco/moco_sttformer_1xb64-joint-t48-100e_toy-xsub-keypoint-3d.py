_base_ = [
    '../_base_/models/moco_sttformer.py',
    '../_base_/datasets/pretrain/toy_xsub.py',
    '../_base_/schedules/cosine_100e_lr1e-2.py',
]

train_pipeline = _base_.train_pipeline
views = dict(type='TwoViews', transforms=[train_pipeline[1], dict(type='RandomShear3D', beta=0.5)])
train_dataloader = dict(dataset=dict(pipeline=[train_pipeline[0], views, *train_pipeline[-2:]]))
val_dataloader = val_cfg = val_evaluator = None  # k-NN by tools/test.py
