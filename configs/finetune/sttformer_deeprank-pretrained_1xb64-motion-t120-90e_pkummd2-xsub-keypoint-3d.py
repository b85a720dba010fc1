_base_ = [
    '../_base_/models/recognizer_sttformer.py',
    '../_base_/datasets/pkummd2_xsub.py',
    '../_base_/schedules/finetune-sttformer_90e.py',
]

model = dict(
    data_preprocessor=dict(modality='motion'),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/deeprank_sttformer_1xb64-motion-t120-150e_pkummd2-xsub-keypoint-3d',
            prefix='backbone.',
        )
    ),
    cls_head=dict(num_classes=41),
)
