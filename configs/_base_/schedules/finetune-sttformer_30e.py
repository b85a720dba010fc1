# Finetuning of STTFormer on small data sets: the same shape in 30 epochs.
_base_ = './finetune-sttformer_90e.py'

train_cfg = dict(max_epochs=30)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.2,
        by_epoch=True,
        begin=0,
        end=2,
        convert_to_iter_based=True,
    ),
    dict(type='MultiStepLR', by_epoch=True, milestones=[20, 27], gamma=0.1),
]
