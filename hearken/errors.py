"""Every way in which talking to a Hearken service can fail, as one tree, and how starting one can.

ClientError
├── ServiceUnreachable   no answer: the address is wrong, or nothing serves there
├── ProblemError         the service refused: the message is its `detail`, and `errors` names the fields
└── JobFailed            the job ended as failed or cancelled; `job` says why

StartRefused             nothing can be started here, and nothing was
StackFailed              a part keeps dying before the service was ever ready
"""

from models.schemas.jobs import Job
from models.schemas.problems import ProblemDetails


class ClientError(Exception):
    """Talking to the service failed for a stated reason."""


class ServiceUnreachable(ClientError):  # noqa: N818 - the name says what happened
    """No answer came."""


class ProblemError(ClientError):
    """The service answered with problem details (RFC 9457), kept as `problem`."""

    def __init__(self, problem: ProblemDetails) -> None:
        self.problem = problem
        fields = "".join(f"\n  {_place(error.pointer, error.line)}: {error.message}" for error in problem.errors or [])
        super().__init__(f"{problem.detail}{fields}")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status


class JobFailed(ClientError):  # noqa: N818 - the name says what happened
    """The job ended without a result."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.id} {job.state}: {job.message or job.reason or 'no reason was given'}")


class StartRefused(Exception):  # noqa: N818 - the name says what happened
    """Nothing can be started here. The message is one line: what is wrong and what to do about it."""


class StackFailed(Exception):  # noqa: N818 - the name says what happened
    """A part keeps dying before the service was ever ready. The message is one line and names its log."""


def _place(pointer: str, line: int | None) -> str:
    return f"line {line} {pointer}" if line is not None else pointer
