_base_ = [
    '../_base_/models/recognizer_stgcn-slim.py',
    '../_base_/datasets/pkummd2_xsub.py',
    '../_base_/schedules/finetune_100e.py',
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_stgcn-slim_1xb64-joint-t120-150e_pkummd1-xsub-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=41),
)
