"""What can go wrong with a document. Messages never hold its name or text.

DocumentError
├── EmptyFile · NoText · UnreadableFile · EncryptedFile · MislabelledFile · UnsupportedFormat   422
├── ExtractionTimedOut                                                                         422
├── FileTooLarge · TooComplex                                                                  413
├── OriginalNotKept                                                                            422
├── DocumentNotFound                                                                           404
└── ExtractionBusy                                                                             503

What can go wrong with an upload session stands in upload_errors.py.
"""

from typing import Any
from uuid import UUID

from app.core.errors import AppError, NotFound, TemporarilyUnavailable, TooLarge, Unprocessable


class DocumentError(AppError):
    """A document cannot be taken or found."""


class EmptyFile(Unprocessable, DocumentError):
    """Zero bytes."""

    code = "empty_file"
    title = "The file is empty"

    def __init__(self, message: str = "The file is empty; send a file with text in it.") -> None:
        super().__init__(message, target="content")


class NoText(Unprocessable, DocumentError):
    """A sound file in which there is no text to read."""

    code = "no_text"
    title = "The file holds no text"

    def __init__(self, message: str = "The file holds no text; send one that does.") -> None:
        super().__init__(message, target="content")


class UnreadableFile(Unprocessable, DocumentError):
    """Damaged, cut off, or not what it says it is."""

    code = "unreadable_file"
    title = "The file cannot be read"

    def __init__(
        self, message: str = "The file is damaged; open it in its program, save it anew and send that."
    ) -> None:
        super().__init__(message, target="content")


class EncryptedFile(Unprocessable, DocumentError):
    """A password or rights management stands before the content."""

    code = "encrypted_file"
    title = "The file is password protected"

    def __init__(
        self, message: str = "The file is password protected; remove the password and send it again."
    ) -> None:
        super().__init__(message, target="content")


class MislabelledFile(Unprocessable, DocumentError):
    """The name says one format, the content another."""

    code = "mislabelled_file"
    title = "The file is not what its name says"

    def __init__(self, message: str) -> None:
        super().__init__(message, target="name")


class UnsupportedFormat(Unprocessable, DocumentError):
    """A format that no reader takes."""

    code = "unsupported_format"
    title = "The format is not supported"

    def __init__(self, message: str) -> None:
        super().__init__(message, target="name")


class FileTooLarge(TooLarge, DocumentError):
    """More bytes than an upload may have."""

    code = "file_too_large"
    title = "The file is too large"

    def __init__(self, message: str) -> None:
        super().__init__(message, target="content")


class TooComplex(TooLarge, DocumentError):
    """Few bytes that grow into too many, or a structure beyond the limits."""

    code = "too_complex"
    title = "The file is too complex"

    def __init__(self, message: str) -> None:
        super().__init__(message, target="content")


class ExtractionTimedOut(Unprocessable, DocumentError):
    """Reading took longer than it may."""

    code = "extraction_timed_out"
    title = "Reading the file took too long"

    def __init__(
        self, message: str = "Reading the file took too long and was stopped; split it and send the parts."
    ) -> None:
        super().__init__(message, target="content")


class ExtractionBusy(TemporarilyUnavailable, DocumentError):
    """Every reader has been at work for longer than a caller should wait."""

    code = "extraction_busy"
    title = "Too many files are being read"

    def __init__(self) -> None:
        super().__init__(
            "Other files are being read just now; send this one again shortly.", retry_after_seconds=10
        )


class DocumentNotFound(NotFound, DocumentError):
    """No such document for this caller."""

    code = "document_not_found"
    title = "No such document"

    def __init__(self, document_id: UUID) -> None:
        super().__init__(
            f"There is no document {document_id} that you may use; upload it with POST /addin/v1/documents.",
            target="input.documents",
        )


class OriginalNotKept(Unprocessable, DocumentError):
    """A new file is wanted of a document whose own file is not here."""

    code = "original_not_kept"
    title = "The file itself is not here any more"

    def __init__(self) -> None:
        super().__init__(
            "A new file can only be made of the original, which is not here (any more); upload the document again"
            " and send the job with that.",
            target="input.documents",
        )


READING_ERRORS: dict[str, Any] = {
    error.code: error
    for error in (
        EmptyFile,
        NoText,
        UnreadableFile,
        EncryptedFile,
        MislabelledFile,
        UnsupportedFormat,
        FileTooLarge,
        TooComplex,
        ExtractionTimedOut,
    )
}
"""Errors that a reader may raise, by code: how they come back from its process."""
