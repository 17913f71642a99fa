"""The address of a key in Azure Key Vault, apart from the client that needs Azure's libraries."""

from dataclasses import dataclass

from app.settings import KEY_ADDRESS, VAULT_HOSTS


@dataclass(frozen=True)
class KeyAddress:
    """A key in a vault; without a version it means the newest one."""

    vault: str
    name: str
    version: str | None = None

    @classmethod
    def parse(cls, given: str) -> "KeyAddress":
        """Read `https://NAME.vault.azure.net/keys/KEY[/VERSION]`. Raises: `ValueError`."""
        found = KEY_ADDRESS.fullmatch(given)
        if found is None or found["cloud"] not in VAULT_HOSTS:
            raise ValueError("this is not the address of a key in one of Microsoft's vaults")
        return cls(found["vault"], found["name"], found["version"])

    @property
    def identifier(self) -> str:
        """The address as the vault writes it."""
        return f"{self.vault}/keys/{self.name}" + (f"/{self.version}" if self.version else "")

    def covers(self, identifier: str) -> bool:
        """Whether this is a version of our key: any version, also where the setting names one."""
        try:
            other = KeyAddress.parse(identifier)
        except ValueError:
            return False
        # The vault does not tell names by case.
        same = (other.vault, other.name.lower()) == (self.vault, self.name.lower())
        return same and other.version is not None
