# Pretraining: 5 % of the training images are held out to validate; the test is k-NN.
_base_ = './cifar100.py'

train_dataloader = dict(dataset=dict(holdout=dict(share=0.05, seed=0, part='train')))
val_dataloader = dict(dataset=dict(split='train', holdout=dict(share=0.05, seed=0, part='holdout')))
test_dataloader = dict(dataset=dict(split=['train', 'test']))

val_evaluator = dict(type='RankMetric', _delete_=True)
test_evaluator = dict(type='KNNMetric', bank_split='train', _delete_=True)

# relabelling when the validation loss is stable, at most 4 times (Sec. V-B)
train_cfg = dict(type='ResumableTrainLoop', max_epochs=150, val_begin=1, val_interval=1)
default_hooks = dict(
    relabel=dict(type='RelabelHook', monitor='rank/loss', patience=5, max_rounds=5)
)
