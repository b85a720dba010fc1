# Make the list of labelled samples with tools/data/make_subset.py --share 0.05.
_base_ = (
    '../finetune/stgcn-slim_deeprank-pretrained_1xb64-joint-t120-100e_ntu60-xsub-keypoint-3d.py'
)

train_dataloader = dict(dataset=dict(labels='data/subsets/ntu60_xsub_5p_seed0.txt'))
