# Make the list of labelled samples with tools/data/make_subset.py --share 0.1.
_base_ = '../finetune/sttformer_deeprank-pretrained_1xb64-joint-t48-30e_toy-xsub-keypoint-3d.py'

train_dataloader = dict(batch_size=16, dataset=dict(labels='data/subsets/toy_xsub_10p_seed0.txt'))
