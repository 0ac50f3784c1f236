"""What follows from the flow between turns: the flow between speakers, and to each speaker's first turn.

The flow of a conversation is F (L, T, T + 1): column 0 is scaffold, NaN where no window holds both turns. Turns of
which no token was read have the speaker -1, and no flow.
"""

import numpy as np
from numpy.typing import NDArray

Flow = NDArray[np.float32]


def speaker_flow(
    flow: Flow, turn_speakers: NDArray[np.int32], turn_tokens: NDArray[np.int64], speakers: int
) -> NDArray[np.float64]:
    """How much the words of each speaker attend to scaffold and to the words of each speaker. (L, S, S + 1)

    Row s is the mean of the rows of flow of the speaker's turns, weighted by their content tokens `turn_tokens` (T,),
    its columns summed over the turns of each speaker: so rows sum to 1. NaN where no window holds words of both, and
    in the rows of a speaker none of whose words was read.
    """
    turns = len(turn_speakers)
    own_tokens = np.zeros((speakers, turns))  # (S, T) a turn's content tokens in the row of its speaker
    read = turn_speakers >= 0
    own_tokens[turn_speakers[read], np.flatnonzero(read)] = turn_tokens[read]
    words = own_tokens.sum(1, keepdims=True)
    columns = np.zeros((turns + 1, speakers + 1))  # 1 where a turn's column counts towards a speaker's
    columns[0, 0] = 1
    columns[1 + np.flatnonzero(read), 1 + turn_speakers[read]] = 1
    met = own_tokens @ ~np.isnan(flow[0]) @ columns > 0  # (S, S + 1)
    found = np.empty((len(flow), speakers, speakers + 1))
    for layer, masses in enumerate(flow):
        found[layer] = own_tokens / np.maximum(words, 1) @ np.nan_to_num(masses.astype(np.float64)) @ columns
    found[:, ~met] = np.nan
    return found


def goal_flow(flow: Flow, turn_speakers: NDArray[np.int32], speakers: int) -> Flow:
    """How much each later turn attends to the first turn of each speaker. (L, T, S)

    NaN up to and in that first turn itself, and where no window holds both turns.
    """
    found = np.full((flow.shape[0], flow.shape[1], speakers), np.nan, np.float32)
    for speaker in range(speakers):
        own = np.flatnonzero(turn_speakers == speaker)
        if len(own):
            first = int(own[0])
            found[:, first + 1 :, speaker] = flow[:, first + 1 :, 1 + first]
    return found
