_base_ = [
    '../_base_/models/recognizer_stgcn.py',
    '../_base_/datasets/pkummd1_xsub.py',
    '../_base_/schedules/finetune_100e.py',
]

model = dict(
    data_preprocessor=dict(modality='bone'),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_stgcn_1xb64-bone-t120-150e_pkummd1-xsub-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=51),
)
