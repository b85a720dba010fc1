# Pretraining: 5 % of the training split are held out to validate; the test is k-NN.
_base_ = '../pkummd1_xsub.py'

train_dataloader = dict(dataset=dict(holdout=dict(share=0.05, seed=0, part='train')))
val_dataloader = dict(
    dataset=dict(split='xsub_train', holdout=dict(share=0.05, seed=0, part='holdout'))
)
test_dataloader = dict(dataset=dict(split=['xsub_train', 'xsub_val']))

val_evaluator = dict(type='RankMetric', _delete_=True)
test_evaluator = dict(type='KNNMetric', bank_split='xsub_train', _delete_=True)
