# Toy actions, by subject: make them with tools/data/make_toy.py data/toy.pkl.
_base_ = ['./skeleton3d_t48.py', './labels/toy.py']

ann_file = 'data/toy.pkl'
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
