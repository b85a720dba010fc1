# Make the list of labelled samples with tools/data/make_subset.py --share 0.01.
# So few samples make two steps an epoch: the long schedule.
_base_ = '../finetune/sttformer-s_deeprank-pretrained_1xb64-joint-t48-30e_toy-xsub-keypoint-3d.py'

train_dataloader = dict(batch_size=8, dataset=dict(labels='data/subsets/toy_xsub_1p_seed0.txt'))
train_cfg = dict(max_epochs=90)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.2, by_epoch=True, begin=0, end=5, convert_to_iter_based=True
    ),
    dict(type='MultiStepLR', by_epoch=True, milestones=[60, 80], gamma=0.1),
]
