"""The encoders that ``--checkpoint`` of a protocol names, one for each stream."""

from typing import Dict, Optional, Sequence

from deeprank_plugin.engine.encoders import list_streams, read_checkpoint
from deeprank_plugin.models.data_preprocessor import MODALITIES

from .failures import exit_with_error, find_checkpoint


def find_checkpoints(given: Sequence[str], streams: Sequence[str]) -> Dict[str, Optional[str]]:
    """Find the checkpoint of each stream.

    Args:
        given (Sequence[str]): 'none', one file or work dir for all streams, or one for each as
            'joint=FILE'.
        streams (Sequence[str]): Modalities.

    Returns:
        dict: File of each stream; None means from scratch, or nothing to load.

    Raises:
        SystemExit: With one sentence, if a stream has no file.
    """
    if list(given) == ['none']:
        return dict.fromkeys(streams)
    pairs = [entry.partition('=') for entry in given]
    named = {name: path for name, equals, path in pairs if equals and name in MODALITIES}
    twice = bool(named) and len(named) < len(given)
    if not named and len(given) == 1:
        named = dict.fromkeys(streams, given[0])
    if twice or set(named) != set(streams):
        exit_with_error(
            f'--checkpoint {" ".join(given)} does not give one file for each of the streams '
            f'{", ".join(streams)}: give one file for all of them, or one for each as '
            f'{streams[0]}=FILE.'
        )
    return {stream: find_checkpoint(path) for stream, path in named.items()}


def check_streams(path: str, streams: Sequence[str]) -> None:
    """Exit with an error if a checkpoint lacks the encoder of a stream."""
    try:
        found = list_streams(read_checkpoint(path))
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    for stream in streams:
        if stream not in found:
            exit_with_error(
                f'checkpoint {path!r} holds the encoder of {", ".join(found)} but is needed for '
                f'stream {stream}: name a checkpoint of that stream, or change --streams.'
            )
