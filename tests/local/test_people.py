from pathlib import Path

import pytest

from app.core.errors import SeedError
from app.local.client import ClientError
from app.local.entra.people import Person, read_people
from app.local.people import find_person
from app.local.supervisor import SEED

_PEOPLE = [
    Person("1", "Contoso", "a", "Ada Lovelace", "ada@contoso.example", "Member"),
    Person("1", "Contoso", "b", "Alan Turing", "alan@contoso.example", "TenantAdmin"),
    Person("2", "Fabrikam", "c", "Ada Byron", "ada@fabrikam.example", "Member"),
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


def test_an_unknown_tenant_is_told_as_a_tenant() -> None:
    with pytest.raises(
        ClientError, match="there is no tenant 'Nowhere' here; there is: Contoso, Fabrikam"
    ) as caught:
        find_person(_PEOPLE, "Nowhere", None)
    assert caught.value.code == "unknown_tenant"


def test_the_seed_has_customers_an_operator_and_a_directory_that_is_no_customer_yet() -> None:
    people = read_people(SEED)
    (operator,) = people.of(people.operator_tenant_id)
    assert operator.role == "PlatformOperator"
    (stranger,) = people.not_onboarded
    assert [one.may_consent for one in people.of(stranger)] == [True, False]
    assert len(people.tenant_ids) == 2 + 2


def test_a_seed_that_is_not_yaml_is_told_with_line_and_column(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("version: 1\ntenants: [a\nplatform: {}\n")
    with pytest.raises(SeedError, match=r"seed\.yaml: line 3, column 9: did not find expected ',' or ']'"):
        read_people(seed)
    seed.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SeedError, match="is not a text in UTF-8"):
        read_people(seed)
    with pytest.raises(SeedError, match=r"cannot be read \(No such file"):
        read_people(tmp_path / "missing.yaml")
