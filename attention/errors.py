"""Every way in which measuring can fail, as one tree.

HearkenError
├── ModelRefused            the model was found, but its attention cannot be measured exactly or safely
│   ├── FamilyNotProven     the architecture failed, or cannot take, the check against eager attention
│   ├── AttentionFree       nothing in it attends
│   ├── EncoderDecoder      it has two sequences, where one document has one
│   ├── RemoteCode          it wants to run code that came with its weights
│   ├── UnsafeWeights       its weights are not in safetensors files
│   ├── WrongDigest         its weights are not the ones that were asked for
│   ├── IncompleteModel     a file of it is missing, damaged, or lacks weights that the network needs
│   ├── WeightsWithoutPlace its files hold weights that the network has no place for
│   ├── QuantizationUnknown its weights are quantized in a way that cannot be undone exactly
│   ├── AdapterRefused      its adapter cannot be merged exactly, or does not fit
│   ├── RevisionMissing     a hub name without the commit that says which files are meant
│   ├── SlowTokenizer       its tokenizer cannot say where in the text a token stands
│   ├── CaptureIncomplete   in one pass, fewer or more layers attended than should have
│   └── CaptureFailed       its network fails on an ordinary text of a length that it should read
├── ModelUnavailable        the model cannot be had now
│   ├── HubUnreachable      the hub cannot be reached, or does not know the name
│   ├── FolderMissing       the folder of the models file does not exist or holds no model
│   ├── DeviceMissing       the device of the models file is not there
│   └── TooLittleMemory     the device has not the memory that the model needs
├── DocumentRefused         the document cannot be measured as it was given
│   ├── EmptyDocument       no text, no turns, or zero tokens
│   ├── EmptyTurn           a turn without text
│   ├── BadSpeaker          a speaker without a name, or with a line break in it
│   ├── UnreadableText      a text that is not valid Unicode
│   ├── TooLong             longer than the model's context, with overflow `reject`
│   ├── TooShort            shorter than the windows asked for
│   ├── ChatTemplateRefused chat messages that the model's chat template does not take
│   ├── SpansUnclear        it is not certain which turn each token belongs to
│   ├── TokenUnknown        it has a token that the model has no embedding for
│   ├── NotFinite           the network's own arithmetic overflowed on it, in a dtype too narrow for it
│   └── TooMuchToShow       more of its attention is asked for than one answer may hold
├── ComparisonRefused       the groups cannot be compared as they are
└── Interrupted             the caller stopped the work between two passes

`code` becomes the problem type in the service and the reason of a failed document. A message is for the person who sent
the work: it names the remedy and never a path.
"""

# ruff: noqa: N818 - the names say what happened; each is an error by its place in the tree

from typing import ClassVar


class HearkenError(Exception):
    """Measuring failed for a stated reason."""

    code: ClassVar[str] = "measuring-failed"


class ModelRefused(HearkenError):
    """The model was found, but its attention cannot be measured exactly or safely."""

    code = "model-refused"


class FamilyNotProven(ModelRefused):
    """The architecture failed, or cannot take, the check of capture against its own eager attention."""

    code = "model-family-not-proven"


class AttentionFree(ModelRefused):
    """Nothing in the model attends, so there is nothing to measure."""

    code = "model-attention-free"


class EncoderDecoder(ModelRefused):
    """The model reads one sequence and writes another; one document is one sequence."""

    code = "model-encoder-decoder"


class RemoteCode(ModelRefused):
    """The model wants to run code that came with its weights."""

    code = "model-remote-code"


class UnsafeWeights(ModelRefused):
    """The weights are not in safetensors files."""

    code = "model-unsafe-weights"


class WrongDigest(ModelRefused):
    """The weights are not the ones that were asked for: their SHA-256 differs."""

    code = "model-wrong-digest"


class IncompleteModel(ModelRefused):
    """A file of the model is missing or damaged, or lacks weights that the network needs."""

    code = "model-incomplete"


class WeightsWithoutPlace(ModelRefused):
    """The files hold weights that the network has no place for: without them it would be another model."""

    code = "model-weights-without-place"


class QuantizationUnknown(ModelRefused):
    """The weights are quantized in a way that is not known, or that cannot be undone exactly."""

    code = "model-quantization-unknown"


class AdapterRefused(ModelRefused):
    """The adapter cannot be merged into the model exactly, or does not fit it."""

    code = "model-adapter-refused"


class RevisionMissing(ModelRefused):
    """A hub name without the commit that says which files are meant."""

    code = "model-revision-missing"


class SlowTokenizer(ModelRefused):
    """The tokenizer cannot say where in the text a token stands."""

    code = "model-slow-tokenizer"


class CaptureIncomplete(ModelRefused):
    """In one pass fewer or more layers attended than should have; no partial answer is given."""

    code = "capture-incomplete"


class CaptureFailed(ModelRefused):
    """The network fails on an ordinary text of a length that it should read."""

    code = "capture-failed"


class ModelUnavailable(HearkenError):
    """The model cannot be had now."""

    code = "model-unavailable"


class HubUnreachable(ModelUnavailable):
    """The hub cannot be reached, or does not know the name or revision."""

    code = "model-hub-unreachable"


class FolderMissing(ModelUnavailable):
    """The folder named in the models file does not exist or holds no model."""

    code = "model-folder-missing"


class DeviceMissing(ModelUnavailable):
    """The device named in the models file is not there."""

    code = "model-device-missing"


class TooLittleMemory(ModelUnavailable):
    """The device has not the memory that the model needs."""

    code = "model-too-little-memory"


class DocumentRefused(HearkenError):
    """The document cannot be measured as it was given."""

    code = "document-refused"


class EmptyDocument(DocumentRefused):
    """The document has no text, no turns, or zero tokens."""

    code = "document-empty"


class EmptyTurn(DocumentRefused):
    """A turn has no text. `index` counts turns from 0."""

    code = "document-empty-turn"

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class BadSpeaker(DocumentRefused):
    """A turn's speaker has no name, or a line break in it. `index` counts turns from 0."""

    code = "document-bad-speaker"

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class UnreadableText(DocumentRefused):
    """The text is not valid Unicode."""

    code = "document-unreadable-text"


class TooLong(DocumentRefused):
    """The document, or a window of it, has `tokens` tokens where the model reads at most `limit`."""

    code = "document-too-long"

    def __init__(self, message: str, tokens: int, limit: int) -> None:
        super().__init__(message)
        self.tokens = tokens
        self.limit = limit


class TooShort(DocumentRefused):
    """The document is shorter than the windows asked for."""

    code = "too-short"


class ChatTemplateRefused(DocumentRefused):
    """The model's chat template does not take these messages: an unknown role, or roles in the wrong order."""

    code = "document-chat-template-refused"


class SpansUnclear(DocumentRefused):
    """It is not certain which turn each token belongs to."""

    code = "document-spans-unclear"


class ComparisonRefused(HearkenError):
    """The groups cannot be compared as they are. `group` names the one at fault, None where it is several."""

    code = "comparison-refused"

    def __init__(self, message: str, group: str | None = None) -> None:
        super().__init__(message)
        self.group = group


class TokenUnknown(DocumentRefused):
    """The document has a token that the model's tokenizer knows and its network does not."""

    code = "document-token-unknown"


class NotFinite(DocumentRefused):
    """On this document the network's own arithmetic overflowed, in a dtype that is too narrow for it."""

    code = "document-not-finite"


class TooMuchToShow(DocumentRefused):
    """More of a document's attention is asked for than one answer may hold."""

    code = "detail-too-large"


class Interrupted(HearkenError):
    """The caller stopped the work between two passes."""

    code = "interrupted"
