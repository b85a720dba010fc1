# UI-PRMD in the 25-joint layout, by subject, 20 classes, one person.
_base_ = ['./skeleton3d_t48_m1.py', './labels/uiprmd.py']

ann_file = 'data/uiprmd_ntu25.pkl'
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
