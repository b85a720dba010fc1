# Make the list of labelled samples with tools/data/make_subset.py --share 0.01.
_base_ = (
    '../finetune/sttformer_deeprank-pretrained_1xb64-joint-t120-90e_pkummd1-xsub-keypoint-3d.py'
)

train_dataloader = dict(dataset=dict(labels='data/subsets/pkummd1_xsub_1p_seed0.txt'))
