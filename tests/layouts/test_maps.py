"""Maps between layouts: by hand, on a person measured by hand, and on real skeletons."""

import numpy as np
import pytest

from deeprank_plugin.datasets.annotations import load_annotations
from deeprank_plugin.layouts import LAYOUTS, Layout, find_map, map_joints
from deeprank_plugin.layouts.maps import MEANS, MEANS_2D, SYNONYMS

SPATIAL = [name for name, layout in LAYOUTS.items() if layout.dims == 3]
PLANAR = [name for name, layout in LAYOUTS.items() if layout.planar]
SOURCES = {
    target: [source for source in group if source != target]
    for group in (SPATIAL, PLANAR)
    for target in group
}
NTU = LAYOUTS['nturgb+d']

# A standing person of 1.75 m who looks at the viewer: x to the person's left, y up, z forward.
TRUNK = dict(
    spine_base=(0, 0.95, 0),
    spine1=(0, 1.07, 0),
    spine_navel=(0, 1.13, 0),
    spine_mid=(0, 1.21, 0),
    spine_chest=(0, 1.28, 0),
    spine3=(0, 1.30, 0),
    spine_shoulder=(0, 1.42, 0),
    neck=(0, 1.50, 0),
    head=(0, 1.62, 0),
    nose=(0, 1.60, 0.12),
)
LEFT = dict(
    eye=(0.03, 1.64, 0.1),
    eye_inner=(0.02, 1.64, 0.1),
    eye_outer=(0.05, 1.64, 0.1),
    ear=(0.08, 1.62, 0),
    mouth=(0.02, 1.56, 0.1),
    clavicle=(0.03, 1.43, 0),
    shoulder=(0.18, 1.42, 0),
    elbow=(0.22, 1.14, 0),
    wrist=(0.24, 0.90, 0.03),
    hand=(0.24, 0.83, 0.04),
    hand_tip=(0.24, 0.75, 0.05),
    pinky=(0.24, 0.79, 0.01),
    index=(0.24, 0.79, 0.06),
    thumb=(0.22, 0.83, 0.08),
    hip=(0.09, 0.93, 0),
    knee=(0.10, 0.51, 0.02),
    ankle=(0.10, 0.09, 0),
    foot=(0.11, 0.03, 0.12),
    small_toe=(0.15, 0.02, 0.11),
    heel=(0.10, 0.03, -0.05),
)
BODY = {
    **TRUNK,
    **{f'left_{name}': place for name, place in LEFT.items()},
    **{f'right_{name}': (-x, y, z) for name, (x, y, z) in LEFT.items()},
}
SAME = dict(
    spine_base='hip_center pelvis root mid_hip',
    spine_mid='spine spine2',
    spine_shoulder='shoulder_center thorax',
    neck='neck_base',
    left_clavicle='left_collar',
    right_clavicle='right_collar',
    left_foot='left_foot_index left_big_toe',
    right_foot='right_foot_index right_big_toe',
)
BODY.update({same: BODY[name] for name, others in SAME.items() for same in others.split()})


def stand(name):
    """The person in a layout, (V, 3); in 2D layouts (V, 2)."""
    layout = LAYOUTS[name]
    return np.array([BODY[joint] for joint in layout.names])[:, : layout.dims] + 1e-3


def test_kinect_v1_by_hand():
    """Each joint stands at x = its number, but the head at y = 1 above the shoulder centre."""
    v1 = np.zeros((1, 2, 20, 3))
    v1[..., 0] = np.arange(20)
    v1[..., 2, :] = (2, 1, 4)
    v1[..., 3, :] = (4, 2, 4)
    v1[0, 1, 3] = 0  # no head in the second frame
    ntu, score = map_joints(v1, 'kinect-v1', 'nturgb+d')
    assert ntu.shape == (1, 2, 25, 3) and score is None
    np.testing.assert_allclose(ntu[0, 0, 2], (2.7, 1.35, 4))  # 0.35 of the way
    np.testing.assert_array_equal(ntu[0, 1, 2], 0)
    np.testing.assert_array_equal(ntu[..., 20, :], v1[..., 2, :])
    np.testing.assert_array_equal(ntu[0, 0, [21, 22, 23, 24], 0], [7, 7, 11, 11])
    same = [0, 1, *range(3, 20)]
    np.testing.assert_array_equal(ntu[..., same, :], v1[..., same, :])


def test_mediapipe_by_hand():
    points = np.zeros((33, 3))
    points[:, 0], points[:, 1] = np.arange(33), 1
    found = dict(zip(NTU.names, map_joints(points, 'mediapipe', 'nturgb+d')[0][:, 0]))
    assert found['spine_base'] == 23.5 and found['spine_shoulder'] == 11.5
    assert found['spine_mid'] == 17.5 and found['head'] == 7.5
    assert found['neck'] == pytest.approx(11.5 + 0.35 * (7.5 - 11.5))
    assert found['right_hand'] == pytest.approx((16 + 18 + 20) / 3)
    assert found['right_hand_tip'] == 19 and found['left_thumb'] == 21
    assert found['left_foot'] == 31 and found['right_knee'] == 26


def test_body25_by_hand():
    """Joint j at (j, 1), scored j / 100: COCO's are copied, a foot of COCO's is missing."""
    points = np.stack([np.arange(1, 26), np.ones(25)], axis=-1)
    score = np.arange(1, 26) / 100
    coco, scores = map_joints(points, 'body25', 'coco', score)
    of = [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]
    np.testing.assert_array_equal(coco, points[of])
    np.testing.assert_array_equal(scores, score[of])
    back, scores = map_joints(coco, 'coco', 'body25', scores)
    np.testing.assert_array_equal(back[1], (points[2] + points[5]) / 2)  # the neck
    assert scores[1] == score[2]  # the lower score of the shoulders
    np.testing.assert_array_equal(back[19:], 0)
    np.testing.assert_array_equal(scores[19:], 0)
    assert scores[:19].all()


@pytest.mark.parametrize('source', [name for name in SPATIAL if name != 'nturgb+d'])
def test_a_whole_person_of_ntu(source):
    """Every joint is there, each within a hand's breadth of where a person has it."""
    ntu, _ = map_joints(stand(source), source, 'nturgb+d')
    assert all(find_map(source, 'nturgb+d').values())
    distances = np.linalg.norm(ntu - stand('nturgb+d'), axis=-1)
    ends = [j for j, name in enumerate(NTU.names) if name.endswith(('tip', 'thumb', 'foot'))]
    assert np.delete(distances, ends).max() < 0.1 and distances[ends].max() < 0.2


@pytest.mark.parametrize('source', [name for name in PLANAR if name != 'coco'])
def test_a_whole_person_of_coco(source):
    np.testing.assert_array_equal(
        map_joints(stand(source), source, 'coco')[0], stand('coco').astype(np.float64)
    )


@pytest.mark.parametrize('target', SOURCES)
def test_left_stays_left(target):
    for source in SOURCES[target]:
        check_sides(source, target)


def check_sides(source, target):
    """Each part lies on the side of its joint; a joint of the trunk has as much of either."""
    one, other = LAYOUTS[source], LAYOUTS[target]
    for name, parts in find_map(source, target).items():
        sides = [one.side(one.names.index(part)) for part in parts]
        if other.side(other.names.index(name)) == 'trunk':
            assert sides.count('left') == sides.count('right')
        else:
            assert set(sides) <= {name.split('_')[0]}
        assert sum(parts.values()) == pytest.approx(1) or not parts
    # mirrored and mapped is mapped and mirrored
    points = np.random.default_rng(0).normal(size=(one.num_joints, one.dims))
    mapped = map_joints(points[one.mirrored], source, target)[0]
    expected = map_joints(points, source, target)[0][other.mirrored]
    np.testing.assert_allclose(mapped, expected, atol=1e-12)


@pytest.mark.parametrize('target', SOURCES)
def test_there_and_back(target):
    for source in SOURCES[target]:
        check_return(source, target)


def check_return(source, target):
    """What both have comes back as it was; what the target lacks is exactly zero, or a mean."""
    rng = np.random.default_rng(1)
    layout = LAYOUTS[source]
    points = rng.normal(size=(2, 3, layout.num_joints, layout.dims)).astype(np.float32)
    score = rng.uniform(0.1, 1, points.shape[:-1]).astype(np.float32)
    there, scores = map_joints(points, source, target, score)
    for joint, parts in enumerate(find_map(source, target).values()):
        assert there[..., joint, :].any() == (scores[..., joint] > 0).all() == bool(parts)
        if not parts:
            assert not there[..., joint, :].any() and not scores[..., joint].any()
    back, again = map_joints(there, target, source, scores)
    came, copied = find_map(source, target), find_map(target, source)
    # copied there and copied back, by one of the joints that may be copied from it
    both = [
        joint
        for joint, name in enumerate(layout.names)
        if len(copied[name]) == 1 and list(came[next(iter(copied[name]))]) == [name]
    ]
    assert len(both) >= 12  # shoulders, elbows, wrists, hips, knees, ankles
    np.testing.assert_array_equal(back[..., both, :], points[..., both, :])
    np.testing.assert_array_equal(again[..., both], score[..., both])


def test_half_of_a_mean_is_missing():
    points, score = stand('coco'), np.ones(17)
    score[5] = 0  # the left shoulder
    mapped, scores = map_joints(points, 'coco', 'openpose', score)
    assert scores[1] == 0 and not mapped[1].any()
    assert scores[5] == 0 and mapped[5].all()  # a copy is exact
    points[6] = 0
    mapped, _ = map_joints(points, 'coco', 'openpose')
    assert not mapped[1].any()


def test_scores_as_a_third_channel():
    points, score = stand('openpose')[None, None], np.linspace(0.1, 1, 18)[None, None]
    three = np.concatenate([points, score[..., None]], axis=-1)
    mapped, none = map_joints(three, 'openpose', 'body25')
    apart, scores = map_joints(points, 'openpose', 'body25', score)
    assert none is None
    np.testing.assert_array_equal(mapped, np.concatenate([apart, scores[..., None]], axis=-1))


def test_image_landmarks_of_mediapipe():
    points = stand('mediapipe-2d')
    for source in ('mediapipe', 'mediapipe-2d'):
        mapped, _ = map_joints(points, source, 'coco')
        np.testing.assert_array_equal(mapped, stand('coco'))


def test_types():
    whole = np.arange(51).reshape(17, 3)
    assert map_joints(whole, 'h36m', 'nturgb+d')[0].dtype == np.float64
    half = stand('h36m').astype(np.float16)
    mapped, scores = map_joints(half, 'h36m', 'nturgb+d', np.ones(17, np.float16))
    assert mapped.dtype == np.float32 and scores.dtype == np.float16
    np.testing.assert_array_equal(mapped[0], half[0].astype(np.float32))


def test_a_layout_of_ones_own():
    own = Layout('own', (0, 0, 0), 0, ('left_knee', 'right_knee', 'tail'), (0,), (1,))
    mapped, _ = map_joints(np.ones((4, 3, 3)), own, 'nturgb+d')
    assert mapped.shape == (4, 25, 3)
    assert np.flatnonzero(mapped[0, :, 0]).tolist() == [13, 17]
    with pytest.raises(ValueError, match='layout \'bare\' has joints without names.*add "names"'):
        map_joints(np.ones((3, 3)), Layout('bare', (0, 0, 0), 0), 'nturgb+d')


@pytest.mark.parametrize(
    ('shape', 'source', 'target', 'score', 'message'),
    [
        ((2, 25, 3), 'kinect-v1', 'nturgb+d', None, r'shape \(2, 25, 3\); expected \(..., 20, 2'),
        ((20, 4), 'kinect-v1', 'nturgb+d', None, r'shape \(20, 4\)'),
        ((17, 3), 'coco', 'nturgb+d', None, "2D coordinates of layout 'coco'.*which is 3D"),
        ((33, 2), 'mediapipe', 'nturgb+d', None, "2D coordinates of layout 'mediapipe'"),
        ((33, 3), 'mediapipe', 'coco', None, "3D coordinates of layout 'mediapipe'.*x and y in"),
        ((17, 2), 'coco', 'body25', (18,), r'scores of shape \(18,\).*expected \(17,\)'),
        ((17, 3), 'coco', 'body25', (17,), 'drop one of the scores'),
        ((17, 3), 'h36m', 'skeleton', None, "'skeleton' is not known"),
    ],
)
def test_what_cannot_be_mapped(shape, source, target, score, message):
    with pytest.raises(ValueError, match=message):
        map_joints(np.ones(shape), source, target, score=None if score is None else np.ones(score))


def test_tables_name_joints():
    """Each name in the tables is a joint of some layout, and no way looks for a joint twice."""
    known = {name for layout in LAYOUTS.values() for name in layout.names}
    for means in (MEANS, MEANS_2D):
        assert set(means) <= known
        assert {part for ways in means.values() for way in ways for part in way} <= known
    names = [name for group in SYNONYMS for name in group]
    assert set(names) <= known and len(set(names)) == len(names)


@pytest.mark.parametrize('target', [name for name in SPATIAL if name != 'nturgb+d'])
def test_bones_of_real_people(shared_data, target):
    """NTU's joints there and back: bones of the same lengths, but for what the target lacks."""
    for file in ('hdm05_ntu25.pkl', 'kindergator_ntu25.pkl'):
        content = load_annotations(shared_data / file)
        real = np.concatenate([a['keypoint'] for a in content['annotations'][::40]], axis=1)
        there, _ = map_joints(real, 'nturgb+d', target)
        layout, known = LAYOUTS[target], find_map('nturgb+d', target)
        lengths = {
            (layout.names[joint], layout.names[parent]): measure(there, joint, parent)
            for joint, parent in layout.bones
            if known[layout.names[joint]] and known[layout.names[parent]]
        }
        assert len(lengths) >= 12
        # tips and thumbs are copies of the hand in these files
        bones = {bone: v for bone, v in lengths.items() if not bone[0].endswith(('tip', 'thumb'))}
        assert all(0.01 < length < 0.75 for length in bones.values()), bones
        for side in ('left', 'right'):
            assert lengths[f'{side}_ankle', f'{side}_knee'] > 0.25
            assert lengths[f'{side}_wrist', f'{side}_elbow'] > 0.15
        back, _ = map_joints(there, target, 'nturgb+d')
        limbs = [(j, p) for j, p in NTU.bones if NTU.names[j].endswith(('elbow', 'wrist', 'knee'))]
        for joint, parent in limbs:
            assert measure(back, joint, parent) == measure(real, joint, parent)


def test_the_children_of_kinder_gator(shared_data):
    """Recorded with Kinect v1 and published with NTU's joints: from its 20 the 25 come back."""
    content = load_annotations(shared_data / 'kindergator_ntu25.pkl')
    for annotation in content['annotations'][::50]:
        there, _ = map_joints(annotation['keypoint'], 'nturgb+d', 'kinect-v1')
        back, _ = map_joints(there, 'kinect-v1', 'nturgb+d')
        np.testing.assert_allclose(back, annotation['keypoint'], atol=1e-5)


def measure(keypoint, joint, parent):
    """Median length of a bone, in metres."""
    return np.median(np.linalg.norm(keypoint[..., joint, :] - keypoint[..., parent, :], axis=-1))
