# The rounds with two strong views of each sample: 32 samples a step are 64 rows, so half of the epochs
# take as many steps, and encode as many views, as the rounds do with one view.
_base_ = './rounds.py'

views = '{{$VIEWS:strong}}'
variant = '' if views == 'strong' else f'_{views}'
pair = dict(type='TwoViews', transforms=_base_.students[views])
train_pipeline = [_base_.train_pipeline[0], pair, *_base_.train_pipeline[-2:]]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_epochs=50 if _base_.small else 75)
auto_scale_lr = dict(base_batch_size=32)
if _base_.small:
    param_scheduler = [
        dict(
            type='CosineRestartLR',
            periods=[10] * 5,
            restart_weights=[1] * 5,
            eta_min=0,
            by_epoch=True,
            convert_to_iter_based=True,
        )
    ]
    default_hooks = dict(relabel=dict(interval=10), checkpoint=dict(interval=10))
