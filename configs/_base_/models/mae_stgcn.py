# Masked reconstruction with ST-GCN.
_base_ = './mae_sttformer.py'
model = dict(
    backbone=dict(
        _delete_=True, type='STGCN', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')
    )
)
