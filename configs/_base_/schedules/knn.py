# k-NN: tools/test.py CONFIG CHECKPOINT, with the checkpoint of pretraining or of finetuning.
_base_ = '../default_runtime.py'

default_hooks = dict(strict_load=dict(allow_unexpected=['head', 'cls_head']))
