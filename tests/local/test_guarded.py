import pytest

from app.local.guarded import bare_environment


def test_servers_get_paths_and_locale_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL")
    for name in (*kept, "OPENAI_API_KEY", "DATABASE_URL", "PGPASSWORD", "HOME", "LD_PRELOAD"):
        monkeypatch.setenv(name, "/x")
    found = bare_environment()
    assert set(kept) <= set(found)
    assert all(name in {*kept, "LANGUAGE"} or name.startswith("LC_") for name in found)
