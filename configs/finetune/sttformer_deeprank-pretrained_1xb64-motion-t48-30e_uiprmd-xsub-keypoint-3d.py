_base_ = [
    '../_base_/models/recognizer_sttformer.py',
    '../_base_/datasets/uiprmd_xsub.py',
    '../_base_/schedules/finetune-sttformer_30e.py',
]

model = dict(
    data_preprocessor=dict(modality='motion'),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_sttformer_1xb64-motion-t48-5x20e_uiprmd-xsub-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=20),
)
