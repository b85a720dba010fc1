# PKU-MMD part I, X-Sub.
_base_ = ['./skeleton3d.py', './labels/pkummd1.py']

ann_file = 'data/pkummd1_3d.pkl'
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
