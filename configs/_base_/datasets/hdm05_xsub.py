# HDM05 in the 25-joint layout, by subject, 11 classes, one person.
_base_ = ['./skeleton3d_t48_m1.py', './labels/hdm05.py']

ann_file = 'data/hdm05_ntu25.pkl'
train_dataloader = dict(
    dataset=dict(
        ann_file=ann_file,
        split='xsub_train',
        metainfo=dict(classes=_base_.label_names),  # saved in checkpoints
    )
)
val_dataloader = dict(dataset=dict(ann_file=ann_file, split='xsub_val'))
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
