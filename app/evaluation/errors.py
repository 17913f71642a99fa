"""What can go wrong with an evaluation."""

from app.core.errors import NotFound, Unprocessable


class UnknownDataSet(NotFound):
    """No data set of this name."""

    code = "unknown_data_set"
    title = "No such data set"


class BadCase(Unprocessable):
    """A case is not of the form, or does not fit its task type."""

    code = "bad_case"
    title = "A case is wrong"


class UnknownMember(NotFound):
    """No such deployment or prompt set."""

    code = "unknown_member"
    title = "No such member"


class UnknownRun(NotFound):
    """No such evaluation of this tenant."""

    code = "unknown_evaluation"
    title = "No such evaluation"


class ExtraMissing(Unprocessable):
    """The libraries of the extra `evaluation` are not installed."""

    code = "extra_missing"
    title = "An extra is not installed"

    def __init__(self, library: str) -> None:
        super().__init__(f"{library} is not installed: install switchboard with the extra `evaluation`.")
