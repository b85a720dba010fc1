# Joint, bone and motion encoders in one run, each with its own view; STTFormer.
_base_ = '../mv_deeprank/mv-deeprank_sttformer.py'

work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}{_base_.variant}'

model = dict(views=['self'])
