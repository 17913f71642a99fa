from pathlib import Path

import pytest

from app.local.client import ClientError
from app.local.people import Person, find_person, read_people
from app.local.supervisor import SEED

_PEOPLE = [
    Person("Contoso", "Ada Lovelace", "ada@contoso.example"),
    Person("Contoso", "Alan Turing", "alan@contoso.example"),
    Person("Fabrikam", "Ada Byron", "ada@fabrikam.example"),
]


@pytest.mark.parametrize(
    ("tenant", "user", "login"),
    [
        (None, None, "ada@contoso.example"),
        ("fabrikam", None, "ada@fabrikam.example"),
        ("Fabrikam", "ada", "ada@fabrikam.example"),
        (None, "ALAN@contoso.example", "alan@contoso.example"),
        (None, "Alan Turing", "alan@contoso.example"),
        ("Contoso", "Alan", "alan@contoso.example"),
    ],
)
def test_people_are_found_by_tenant_login_or_name(tenant: str | None, user: str | None, login: str) -> None:
    assert find_person(_PEOPLE, tenant, user).login == login


def test_a_stranger_is_told_who_there_is() -> None:
    with pytest.raises(ClientError, match=r"alan in Fabrikam; there is: ada@contoso\.example \(Contoso\)"):
        find_person(_PEOPLE, "Fabrikam", "alan")


def test_the_seed_has_people_in_two_tenants() -> None:
    assert len({person.tenant for person in read_people(SEED)}) == 2


@pytest.mark.parametrize("content", ["tenants: [{name: x, people: [{}]}]", "tenants: 3", "{", "- x"])
def test_a_file_without_people_is_an_error_with_words(tmp_path: Path, content: str) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(content)
    with pytest.raises(ClientError, match="who can sign in"):
        read_people(seed)
