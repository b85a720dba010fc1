# NTU RGB+D 120, X-Setup.
_base_ = ['./skeleton3d.py', './labels/ntu120.py']

ann_file = 'data/ntu120_3d.pkl'
train_dataloader = dict(
    dataset=dict(
        ann_file=ann_file,
        split='xset_train',
        metainfo=dict(classes=_base_.label_names),  # saved in checkpoints
    )
)
val_dataloader = dict(dataset=dict(ann_file=ann_file, split='xset_val'))
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
