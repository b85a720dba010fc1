# Make the list of labelled samples with tools/data/make_subset.py --share 0.01.
_base_ = '../finetune/stgcn_deeprank-pretrained_1xb64-joint-t120-100e_pkummd2-xsub-keypoint-3d.py'

train_dataloader = dict(
    batch_size=16, dataset=dict(labels='data/subsets/pkummd2_xsub_1p_seed0.txt')
)
