"""Chooses what wraps data keys, by the settings."""

from pathlib import Path

from app.core.keyring import LocalKeyring
from app.core.vault_address import KeyAddress
from app.core.wrapping import WrappingKeys
from app.settings import Settings
from app.vocabulary import Environment


def open_wrapping_keys(settings: Settings) -> WrappingKeys:
    """The vault of the settings, else the keyring file; nothing connects yet.

    Raises: `MissingSetting` when neither is set, for there is no default key; `SealBroken`.
    """
    if settings.key_vault_key:
        # Azure's libraries take 0.06 s of CPU and 5 MB to load on top of the API's own, 0.22 s and 21 MB in a
        # bare process (both measured on Python 3.11): only whoever has a vault pays for them.
        from app.core.key_vault import KeyVault

        return KeyVault(
            KeyAddress.parse(settings.key_vault_key),
            identity=settings.key_vault_identity,
            client_id=settings.key_vault_client_id or None,
            former=tuple(KeyAddress.parse(one) for one in settings.key_vault_former_keys),
        )
    if settings.env is Environment.PRODUCTION:
        settings.required("key_vault_key")
    return LocalKeyring.load(Path(settings.required("keyring")))
