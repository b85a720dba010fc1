# Pretraining: 5 % of the training split are held out to validate; the test is k-NN.
_base_ = ['./views.py', './default_runtime.py']

# the encoder to begin with: checkpoint or work dir, such as MoCo's
pretrained = '{{$PRETRAINED:none}}'
if pretrained != 'none':
    model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

train_dataloader = dict(dataset=dict(holdout=dict(share=0.05, seed=0, part='train')))
val_dataloader = dict(
    dataset=dict(
        ann_file=_base_.train_dataloader.dataset.ann_file,
        split=_base_.train_split,
        **_base_.train_part,
        holdout=dict(share=0.05, seed=0, part='holdout'),
    )
)
test_dataloader = dict(dataset=_base_.knn_part)

val_evaluator = dict(type='RankMetric', _delete_=True)
test_evaluator = dict(type='KNNMetric', bank_split=_base_.train_split, _delete_=True)
