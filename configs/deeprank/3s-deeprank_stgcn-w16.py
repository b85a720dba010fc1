# Joint, bone and motion encoders in one run, each with its own view; a small ST-GCN for trials on a CPU.
_base_ = '../mv_deeprank/mv-deeprank_stgcn-w16.py'

work_dir = f'./work_dirs/{{fileBasenameNoExtension}}_{_base_.data}{_base_.variant}'

model = dict(views=['self'])
