# Make the list of labelled samples with tools/data/make_subset.py --share 0.01.
# So few samples make two steps an epoch: the long schedule.
_base_ = '../finetune/stgcn-w16_deeprank-pretrained_1xb64-joint-t48-30e_uiprmd-xsub-keypoint-3d.py'

train_dataloader = dict(batch_size=8, dataset=dict(labels='data/subsets/uiprmd_xsub_1p_seed0.txt'))
train_cfg = dict(max_epochs=100)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[80], gamma=0.1)]
