"""A change names the version it changes; a tag that we never gave is a version that is past."""

import pytest

from app.core.errors import BadRequest, ChangedMeanwhile
from app.http.etags import expected_version


def test_the_version_is_read_from_a_strong_tag() -> None:
    assert expected_version('"12"', "pool") == 12


def test_a_change_without_a_tag_is_told_to_send_one() -> None:
    with pytest.raises(BadRequest, match="ETag of the pool"):
        expected_version(None, "pool")


@pytest.mark.parametrize("tag", ["", '"x"', 'W/"3"', '"-1"', "*", '"1", "2"', "٣", '"99999999999"'])
def test_a_tag_that_we_never_gave_changes_nothing(tag: str) -> None:
    with pytest.raises(ChangedMeanwhile, match="Somebody has changed the pool"):
        expected_version(tag, "pool")
