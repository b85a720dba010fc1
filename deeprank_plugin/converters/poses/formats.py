"""The formats of poses, and which one a file or folder has."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.layouts import Layout, find_layout

from . import alphapose, azure_kinect, mediapipe, mmpose, openpose
from .recording import Person, Recording, check_frames, describe, number_images, read_json

FILES: Dict[str, Any] = {  # one file per recording
    'mmpose': mmpose,
    'alphapose': alphapose,
    'mediapipe': mediapipe,
    'azure-kinect': azure_kinect,
}
FOLDERS: Dict[str, Any] = {'mmpose': mmpose, 'openpose': openpose}  # one file per image
FORMATS = ('mmpose', 'openpose', 'alphapose', 'mediapipe', 'azure-kinect')
BODY_FIRST = {26: 'Halpe-26', 133: 'COCO-WholeBody', 136: 'Halpe-136'}
"""Skeletons whose first 17 joints are those of 'coco', by their number of joints."""


def find_recordings(source: Path) -> Dict[str, Path]:
    """The recordings below a folder, or a single one, by their path below it.

    A folder whose first JSON file holds one image is a recording; elsewhere each JSON file is one.

    Raises:
        BrokenFile: If there is none.
    """
    if source.is_file():
        return {source.name: source}
    if not source.is_dir():
        raise BrokenFile(f'{source} does not exist; expected a file or folder of poses')
    found: Dict[str, Path] = {}
    for folder in sorted({path.parent for path in source.rglob('*.json')}):
        files = sorted(folder.glob('*.json'))
        if is_image(files[0]):
            top = folder == source
            found[source.resolve().name if top else str(folder.relative_to(source))] = folder
        else:
            found.update({str(path.relative_to(source)): path for path in files})
    if not found:
        raise BrokenFile(f'folder {source} holds no .json file; expected recordings of poses')
    return found


def is_image(path: Path) -> bool:
    """Whether a file holds the persons of one image; one that is no JSON is reported later."""
    try:
        content = read_json(path)
    except BrokenFile:
        return '_keypoints' in path.stem
    return any(module.matches_image(content) for module in FOLDERS.values())


def read_recording(
    path: Path, form: str = 'auto', dims: Optional[int] = None, layout: Optional[str] = None
) -> Tuple[Recording, Layout]:
    """Read a recording: a file, or a folder with one file per image.

    Args:
        path (Path): The file or folder.
        form (str): One of :data:`FORMATS`, or 'auto', by the content. Defaults to 'auto'.
        dims (int, optional): 2 or 3, where the file has both. Defaults to None: see the formats.
        layout (str, optional): Name or JSON file of its joints. Defaults to None: by their number.

    Returns:
        tuple: The recording, checked, and the layout of its joints.

    Raises:
        BrokenFile: If the format is unknown or another, or the recording cannot be used.
    """
    if path.is_dir():
        form, recording = read_folder(path, form, dims)
    elif path.is_file():
        content = read_json(path)
        form = recognise(content, path, form)
        recording = FILES[form].read(content, path, dims)
    else:
        raise BrokenFile(f'{path} does not exist; expected poses: add them, or remove the line')
    recording = check_frames(recording, path)
    return recording, name_joints(recording, path, form, dims, layout)


def recognise(content: Any, path: Path, form: str) -> str:
    """The format of a file's content.

    Raises:
        BrokenFile: If it is not the one named, or fits none or several.
    """
    fit = [name for name, module in FILES.items() if module.matches(content)]
    if form in fit:
        return form
    if len(fit) == 1 and form == 'auto':
        return fit[0]
    if any(module.matches_image(content) for module in FOLDERS.values()):
        raise BrokenFile(
            f'{path} holds the persons of one image; expected a recording: name the folder of all '
            'its images'
        )
    if content == [] or (isinstance(content, dict) and content.get('frames') == []):
        raise BrokenFile(f'{path} holds no frame; expected the poses of a recording')
    known = ', '.join(FORMATS) if form == 'auto' else form
    guess = f', which looks like {" or ".join(fit)}' if fit else ''
    raise BrokenFile(f'{path} is {describe(content)}{guess}; expected {known}: set --format')


def read_folder(path: Path, form: str, dims: Optional[int]) -> Tuple[str, Recording]:
    """Read a folder with one JSON file per image; returns the format as well.

    Raises:
        BrokenFile: If it has no such file, or one is broken or of another format.
    """
    files = sorted(path.glob('*.json'))
    if not files:
        raise BrokenFile(f'folder {path} holds no .json file; expected one for each image')
    numbers, named = number_images([file.name for file in files])
    frames: Dict[int, List[Person]] = {}
    for number, file in zip(numbers, files):
        content = read_json(file)
        if content == []:  # an image of MMPose without persons
            frames[number] = []
            continue
        fit = [name for name, module in FOLDERS.items() if module.matches_image(content)]
        if len(fit) != 1 or form not in ('auto', fit[0]):
            raise BrokenFile(
                f'{file} is {describe(content)}; expected the persons of one image, as in the '
                f'other files of {path}: set --format, or move the file'
            )
        if number in frames:
            raise BrokenFile(
                f'{file} is frame {number}, and so is another file; expected one file per frame'
            )
        form = fit[0]
        frames[number] = FOLDERS[form].read_image(content, str(file), dims)
    recording = Recording(frames, up='z mirrored' if form == 'mmpose' else '-y')
    recording.counts['unnumbered'] += not named
    return form, recording


def name_joints(
    recording: Recording, path: Path, form: str, dims: Optional[int], layout: Optional[str]
) -> Layout:
    """The layout of a recording's joints; of larger skeletons only COCO's 17 joints are kept.

    Raises:
        BrokenFile: If the joints fit no layout of the format, or not the one named.
    """
    person = next(person for persons in recording.frames.values() for person in persons)
    joints, channels = person.keypoint.shape
    found = f'{path} has {joints} joints x {channels} coordinates'
    if recording.skeleton:
        found += f' ({recording.skeleton})'
    if dims is not None and channels != dims:
        raise BrokenFile(f'{found}; expected {dims} coordinates: leave --dims out')
    if layout is not None:
        named = find_layout(layout)
        if joints != named.num_joints or (named.dims or channels) != channels:
            raise BrokenFile(
                f'{found}; expected those of layout {named.name!r}, {named.num_joints} joints x '
                f'{named.dims or "2 or 3"}: correct --layout'
            )
        return named
    table = (FILES.get(form) or FOLDERS[form]).LAYOUT_OF
    if channels == 2 and joints in BODY_FIRST and (17, 2) in table:
        recording.frames = {
            number: [
                Person(p.keypoint[:17], None if p.score is None else p.score[:17], p.track)
                for p in persons
            ]
            for number, persons in recording.frames.items()
        }
        recording.counts['body'] += 1
        joints = 17
    known = table.get((joints, channels))
    if known is None or (
        recording.skeleton is not None and mmpose.SKELETONS.get(recording.skeleton) != known
    ):
        expected = ', '.join(f'{v} x {c} ({name})' for (v, c), name in table.items())
        raise BrokenFile(
            f'{found}; expected {expected} in format {form}: describe the joints with --layout'
        )
    return find_layout(known)
