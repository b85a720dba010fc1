# Joint, bone and motion encoders in one run, each with its own view; the quarter-width ST-GCN.
_base_ = '../mv_deeprank/mv-deeprank_stgcn-slim.py'

work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}{_base_.variant}'

model = dict(views=['self'])
