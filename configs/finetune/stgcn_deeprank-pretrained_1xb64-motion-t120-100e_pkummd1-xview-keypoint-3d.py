_base_ = [
    '../_base_/models/recognizer_stgcn.py',
    '../_base_/datasets/pkummd1_xview.py',
    '../_base_/schedules/finetune_100e.py',
]

model = dict(
    data_preprocessor=dict(modality='motion'),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_stgcn_1xb64-motion-t120-150e_pkummd1-xview-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=51),
)
