# Classification with all labels or a share of each class's, at least one sample. labels.seed draws it,
# not --seed: runs of tools/train.py share one list, and tools/run_protocol.py draws one for each seed.
_base_ = ['./views.py', './default_runtime.py']

share = '{{$SHARE:all}}'
segments = int('{{$SEGMENTS:1}}')  # equal parts of the time that the classifier sees apart
default_views = 'weak'  # or strong, strong_swap: what the network is trained with
views = '{{$VIEWS:auto}}'
if views == 'auto':
    views = default_views
train_pipeline = [_base_.train_pipeline[0], *_base_.students[views], *_base_.train_pipeline[-2:]]
default_head_init = 'random'  # 'logreg': the classifier first, by logistic regression
head_init = '{{$HEAD_INIT:auto}}'
if head_init == 'auto':
    head_init = default_head_init
variant = '' if segments == 1 else f'_segments-{segments}'
variant += '' if views == default_views else f'_{views}'
variant += '' if head_init == default_head_init else f'_{head_init}'
recipe = f'{share}{variant}'  # in the names of work dirs
classifier = dict(type='GCNHead', num_classes=_base_.num_classes)
if segments > 1:
    classifier.update(type='SegmentHead', segments=segments)
long_schedule = not _base_.small or share in _base_.long_shares
train_dataloader = dict(
    batch_size=_base_.batch_sizes[share],
    batch_sampler=dict(type='FullEpochBatchSampler'),  # all samples; the last batch is smaller
    drop_last=False,
    dataset=dict(
        pipeline=train_pipeline,
        labels=None if share == 'all' else dict(share=int(share[:-1]) / 100, seed=0),
    ),
)
few_labels = _base_.small and share != 'all'
# least number of steps of a run: an epoch repeats a small share for it
train_cfg = dict(min_steps=3300 if few_labels else 0)
default_hooks = dict(  # BatchNorm of an encoder without pretraining is calibrated before
    head_init=dict(type='HeadInitHook', classifier=head_init, calibrate=head_init == 'logreg')
)
