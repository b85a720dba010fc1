# Make the list of labelled samples with tools/data/make_subset.py --share 0.1.
_base_ = (
    '../finetune/stgcn-slim_deeprank-pretrained_1xb64-joint-t120-100e_pkummd2-xsub-keypoint-3d.py'
)

train_dataloader = dict(dataset=dict(labels='data/subsets/pkummd2_xsub_10p_seed0.txt'))
