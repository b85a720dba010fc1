# Joint, bone and motion encoders in one run, each with its own view.
_base_ = '../mv_deeprank/mv-deeprank_stgcn-slim_1xb64-t120-150e_pkummd1-xsub-keypoint-3d.py'

model = dict(views=['self'])
