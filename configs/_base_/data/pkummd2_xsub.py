# PKU-MMD part II, X-Sub; the file itself names its classes.
data = 'pkummd2_xsub'
ann_file = 'data/pkummd2_3d.pkl'
train_split, val_split = 'xsub_train', 'xsub_val'
num_classes = 41
class_names = None  # those of the annotation file
layout = 'nturgb+d'
num_person = 2
clip_len = 120
small = False  # the schedules of the paper, 4 workers
batch_sizes = {'all': 64, '10p': 64, '5p': 64, '1p': 16}  # of finetuning, by share of labels
long_shares = []  # so few labels that they take the long schedule
