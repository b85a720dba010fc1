# MV-DeepRank with ST-GCN: joint, bone and motion encoders, three views of each.
_base_ = './deeprank_stgcn.py'
model = dict(
    type='MVDeepRank',
    data_preprocessor=dict(modality=['joint', 'bone', 'motion']),
    views=['self', 'other', 'all'],
)
