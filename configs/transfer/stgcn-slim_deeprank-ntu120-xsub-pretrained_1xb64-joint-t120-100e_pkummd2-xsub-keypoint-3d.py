_base_ = (
    '../finetune/stgcn-slim_deeprank-pretrained_1xb64-joint-t120-100e_pkummd2-xsub-keypoint-3d.py'
)

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/deeprank_stgcn-slim_1xb64-joint-t120-150e_ntu120-xsub-keypoint-3d'
        )
    )
)
