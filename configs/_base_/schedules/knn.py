# k-NN: tools/test.py CONFIG CHECKPOINT, with the checkpoint of pretraining or of finetuning.
_base_ = ['../skeleton.py', '../default_runtime.py']

segments = int('{{$SEGMENTS:1}}')  # equal parts of the time that are pooled apart
share = '{{$SHARE:all}}'  # of the bank's labels; labels.seed draws it
variant = '' if share == 'all' else f'_{share}'
variant += '' if segments == 1 else f'_segments-{segments}'

default_hooks = dict(strict_load=dict(allow_unexpected=['head', 'cls_head']))
test_dataloader = dict(dataset=_base_.knn_part)
test_evaluator = dict(
    type='KNNMetric',
    bank_split=_base_.train_split,
    labels=None if share == 'all' else dict(share=int(share[:-1]) / 100, seed=0),
    _delete_=True,
)
train_dataloader = val_dataloader = val_cfg = val_evaluator = None  # nothing is trained
