"""What can be wrong with a submission, in words."""

from collections.abc import Sequence

from app.core.errors import ErrorDetail, Forbidden, TooLarge, Unprocessable


class UnknownTaskType(Unprocessable):
    """No such kind of work."""

    code = "unknown_task_type"
    title = "Unknown task type"

    def __init__(self, name: str, *, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no task type {name[:64]!r}; there is {', '.join(known)}"
            " (GET /addin/v1/task-types describes each).",
            target="task_type",
        )


class TaskTypeNotPermitted(Forbidden):
    """The tenant lets others use this kind of work, and not the caller."""

    code = "task_type_not_permitted"
    title = "Not for you"

    def __init__(self, task_type: str) -> None:
        super().__init__(
            f"Your organisation does not let you use {task_type}; ask one of its administrators.",
            target="task_type",
        )


class JobTooLarge(TooLarge):
    """More text than one job may read."""

    code = "job_too_large"
    title = "Too much text"

    def __init__(self, tokens: int, most: int) -> None:
        super().__init__(
            f"The documents have about {tokens:,} tokens and a job may read {most:,}; send fewer or a part.",
            target="input.documents",
        )


class InvalidParameters(Unprocessable):
    """A parameter is unknown, missing or out of its range."""

    code = "invalid_parameters"
    title = "A parameter is wrong"

    def __init__(self, task_type: str, details: Sequence[ErrorDetail]) -> None:
        # Some of the details are whole sentences.
        places = "; ".join(f"{one.target}: {one.message.rstrip('.')}" for one in details)
        super().__init__(
            f"The parameters do not fit {task_type}: {places}. GET /addin/v1/task-types describes them.",
            target=details[0].target if details else "parameters",
            details=details,
        )


class WrongInput(Unprocessable):
    """Another number or kind of documents than the task type takes."""

    code = "wrong_input"
    title = "The input does not fit"

    def __init__(self, task_type: str, what: str) -> None:
        super().__init__(
            f"{task_type} {what}. GET /addin/v1/task-types says what each task type takes.", target="input"
        )


class DocumentsNotThere(Unprocessable):
    """Nobody knows how large a file is that has not been fetched."""

    code = "documents_not_there"
    title = "The documents are not there yet"

    def __init__(self) -> None:
        super().__init__(
            "What files in Microsoft 365 need is known when they have been fetched: the job shows it then. Take"
            " them in with POST /addin/v1/documents/drive-items to know it before.",
            target="input.drive_items",
        )
