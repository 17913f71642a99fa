"""The file that a job has made, put on this machine beside what is there already."""

from pathlib import Path
from typing import Any

from app.local.client import Client, ClientError
from app.local.display import clean
from app.local.new_file import new_bytes

_MOST_NAMES = 1_000


def check_output(output: Path) -> None:
    """Raises: `ClientError` when no new file can be made there."""
    if output.exists():
        raise ClientError("file_exists", f"{output} is there already; name a new file", target="output")
    if not output.absolute().parent.is_dir():
        raise ClientError("no_such_folder", f"there is no folder {output.parent}", target="output")


def save_file(
    client: Client, job: dict[str, Any], *, output: Path | None, folder: Path | None
) -> Path | None:
    """Get the job's file: to `output`, else under its own name into `folder`, with a number if that is taken.

    None when the job has made no file, or neither place is given. Raises: `ClientError`, saying how to get the file
    otherwise.
    """
    file = (job.get("result") or {}).get("file")
    if not file:
        if output is not None:
            raise ClientError(
                "no_file", "the job has made no file, so there is none to save", target="output"
            )
        return None
    if output is None and folder is None:
        return None
    content = client.file(str(job["id"]))
    # Whatever name comes, it is one in this folder.
    wanted = output or (folder or Path()) / (Path(clean(str(file["name"]))).name or "document")
    try:
        return _written(wanted, content, may_number=output is None)
    except OSError as error:
        raise ClientError(
            "file_not_saved",
            f"{wanted} cannot be written: {error.strerror}; `switchboard job {job['id']} --output FILE` saves it"
            " elsewhere",
            target="output",
        ) from error


def _written(wanted: Path, content: bytes, *, may_number: bool) -> Path:
    """Raises: OSError, FileExistsError among them."""
    for number in range(1, _MOST_NAMES):
        path = wanted if number == 1 else wanted.with_stem(f"{wanted.stem} ({number})")
        try:
            with new_bytes(path) as file:
                file.write(content)
        except FileExistsError:
            if not may_number:
                raise
        else:
            return path
    raise FileExistsError(0, "there are too many of that name", str(wanted))
