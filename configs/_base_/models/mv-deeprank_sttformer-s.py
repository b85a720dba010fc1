# MV-DeepRank with a small STTFormer for trials on a CPU.
_base_ = './deeprank_sttformer-s.py'
model = dict(
    type='MVDeepRank',
    data_preprocessor=dict(modality=['joint', 'bone', 'motion']),
    views=['self', 'other', 'all'],
)
