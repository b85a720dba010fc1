_base_ = [
    '../_base_/models/recognizer_stgcn.py',
    '../_base_/datasets/pkummd2_xsub.py',
    '../_base_/schedules/finetune_100e.py',
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_stgcn_1xb64-joint-t120-150e_pkummd2-xsub-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=41),
)
