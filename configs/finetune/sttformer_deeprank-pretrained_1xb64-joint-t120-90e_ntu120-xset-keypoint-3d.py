_base_ = [
    '../_base_/models/recognizer_sttformer.py',
    '../_base_/datasets/ntu120_xset.py',
    '../_base_/schedules/finetune-sttformer_90e.py',
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_sttformer_1xb64-joint-t120-150e_ntu120-xset-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=120),
)
