_base_ = (
    '../finetune/sttformer_deeprank-pretrained_1xb64-joint-t120-90e_pkummd2-xsub-keypoint-3d.py'
)

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/deeprank_sttformer_1xb64-joint-t120-150e_ntu60-xsub-keypoint-3d'
        )
    )
)
