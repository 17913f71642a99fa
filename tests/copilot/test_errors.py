from app.copilot.errors import InvalidParameters
from app.core.errors import ErrorDetail


def test_details_that_are_sentences_stand_in_the_message_with_one_full_stop() -> None:
    details = [
        ErrorDetail("not_found", "There is no glossary 'nope'.", "parameters.glossaries.0"),
        ErrorDetail("missing", "Field required", "parameters.language"),
    ]
    error = InvalidParameters("translate", details)
    assert error.message == (
        "The parameters do not fit translate: parameters.glossaries.0: There is no glossary 'nope';"
        " parameters.language: Field required. GET /addin/v1/task-types describes them."
    )
    assert error.details[0].message == "There is no glossary 'nope'."
    assert "'nope'. GET" in InvalidParameters("translate", details[:1]).message
