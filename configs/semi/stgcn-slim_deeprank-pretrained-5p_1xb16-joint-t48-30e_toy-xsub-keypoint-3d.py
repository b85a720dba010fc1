# Make the list of labelled samples with tools/data/make_subset.py --share 0.05.
_base_ = '../finetune/stgcn-slim_deeprank-pretrained_1xb64-joint-t48-30e_toy-xsub-keypoint-3d.py'

train_dataloader = dict(batch_size=16, dataset=dict(labels='data/subsets/toy_xsub_5p_seed0.txt'))
