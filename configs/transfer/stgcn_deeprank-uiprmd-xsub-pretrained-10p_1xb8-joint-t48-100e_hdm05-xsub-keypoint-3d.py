# Make the list of labelled samples with tools/data/make_subset.py --share 0.1.
_base_ = [
    '../_base_/models/recognizer_stgcn.py',
    '../_base_/datasets/hdm05_xsub.py',
    '../_base_/schedules/finetune_100e.py',
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_stgcn_1xb64-joint-t48-5x20e_uiprmd-xsub-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=11),
)
train_dataloader = dict(batch_size=8, dataset=dict(labels='data/subsets/hdm05_xsub_10p_seed0.txt'))
