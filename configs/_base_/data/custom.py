# An annotation file of one's own. tools/train.py --data FILE looks these facts up in the file and sets
# the variables; MMAction2's own tools read them from the environment.
data = '{{$DATA_NAME:custom}}'
ann_file = '{{$ANN_FILE:data/custom.pkl}}'
more_files = '{{$MORE_FILES:none}}'  # to pretrain on as well, separated by colons
train_files = ann_file if more_files == 'none' else [ann_file, *more_files.split(':')]
train_split, val_split = '{{$TRAIN_SPLIT:xsub_train}}', '{{$VAL_SPLIT:xsub_val}}'
num_classes = int('{{$NUM_CLASSES:60}}')
class_names = None  # those of the annotation file
layout = '{{$LAYOUT:auto}}'  # a name, or a JSON file
if layout == 'auto':
    layout = 'nturgb+d'  # MMEngine takes no default with a plus
in_channels = int('{{$IN_CHANNELS:3}}')  # per joint: coordinates, and the score of 2D poses
img_shape = [float(s) for s in '{{$IMG_SHAPE:1080x1920}}'.split('x')]  # where a sample has none
num_person = int('{{$NUM_PERSON:2}}')
clip_len = int('{{$CLIP_LEN:120}}')
small = '{{$SMALL:False}}' == 'True'  # short schedules, 2 workers
batch_sizes = (
    {'all': 64, '10p': 16, '5p': 16, '1p': 8}
    if small
    else {'all': 64, '10p': 64, '5p': 64, '1p': 64}
)
long_shares = ['1p'] if small else []
