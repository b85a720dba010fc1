# Joint, bone and motion encoders in one run, each with its own view.
_base_ = '../mv_deeprank/mv-deeprank_sttformer_1xb64-t120-150e_pkummd2-xsub-keypoint-3d.py'

model = dict(views=['self'])
