"""File, then environment, then flags; errors say which of them is wrong."""

from pathlib import Path

import pytest

from insula.errors import InputError
from insula.settings import Settings, load_settings


def test_defaults_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={}) == Settings()
    assert Settings().database_url == "sqlite:///data/insula.db"


def test_file_is_overruled_by_environment_and_that_by_flags(tmp_path: Path) -> None:
    file = tmp_path / "insula.toml"
    file.write_text('data = "a"\n[api]\nhost = "::1"\nport = 1\n[recorder]\nevery_s = 0\n')
    environment = {"INSULA_API_PORT": "2", "INSULA_DATA": "b", "INSULA_CLOCK_SPEED": "60", "OTHER": "x"}
    loaded = load_settings(file, environment, {"data": "c"})
    assert (loaded.data, loaded.api.host, loaded.api.port) == ("c", "::1", 2)
    assert (loaded.clock.speed, loaded.recorder.every_s) == (60, 0)


def test_file_in_the_working_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "insula.toml").write_text('[database]\nurl = "sqlite:///x.db"\n')
    assert load_settings(environment={}).database_url == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("text", "environment", "flags", "names"),
    [
        ("[api]\nprot = 1\n", {}, {}, "prot"),
        ("[api\n", {}, {}, "insula.toml"),
        ("", {"INSULA_API_PORT": "many"}, {}, "environment: "),
        ("", {}, {"clock.speed": -1}, "flags: "),
    ],
)
def test_error_names_the_place(
    tmp_path: Path, text: str, environment: dict[str, str], flags: dict[str, object], names: str
) -> None:
    file = tmp_path / "insula.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=names):
        load_settings(file, environment, flags)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml", {})


def test_epoch_is_utc_unless_it_says_otherwise() -> None:
    def start(epoch: str) -> tuple[int | None, int | None]:
        return load_settings(environment={"INSULA_CLOCK_EPOCH": epoch}).clock.start()

    assert start("") == (None, None)
    assert start("2026-01-01T00:00") == (1_767_225_600_000, None)
    assert start("2026-01-01T01:00+01:00@2026-01-01T00:00:01Z") == (1_767_225_600_000, 1_767_225_601_000)
    with pytest.raises(InputError, match=r"clock\.epoch"):
        start("yesterday")


def test_security_settings_reach_the_client_of_kafka_and_empty_ones_do_not() -> None:
    environment = {
        "INSULA_BUS_KIND": "kafka",
        "INSULA_BUS_SERVERS": "a:1,b:2",
        "INSULA_BUS_SECURITY_PROTOCOL": "sasl_ssl",
        "INSULA_BUS_SASL_USERNAME": "insula",
        "INSULA_BUS_SASL_PASSWORD": "secret",
        "INSULA_BUS_SSL_CA": "ca.pem",
    }
    assert load_settings(environment=environment).bus.client() == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "insula",
        "sasl.password": "secret",
        "ssl.ca.location": "ca.pem",
    }


def test_passwords_are_not_shown() -> None:
    bus = load_settings(environment={"INSULA_BUS_SASL_PASSWORD": "secret1", "INSULA_BUS_SSL_KEY_PASSWORD": "secret2"})
    assert "secret" not in repr(bus)
    assert "secret3" not in repr(load_settings(environment={"INSULA_ADMIN_PASSWORD": "secret3"}))
    assert "sasl_password=..." in repr(bus)


OPENID = '[openid.house]\nissuer = "https://id.example"\nclient_id = "insula"\nteams = {"g 1" = "cleaners"}\n'


def test_providers_come_from_the_file_and_their_secrets_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "insula.toml"
    file.write_text(OPENID + 'client_secret = "in the file"\n')
    environment = {
        "INSULA_OPENID_HOUSE_CLIENT_SECRET": "hidden away",
        "INSULA_OPENID_HOUSE_CREATE_ACCOUNTS": "true",
        "INSULA_OPENID_OTHER_ISSUER": "http://127.0.0.1:8000",
        "INSULA_OPENID_OTHER_CLIENT_ID": "insula",
        "INSULA_OPENID_OTHER_CLIENT_SECRET": "hidden too",
    }
    found = load_settings(file, environment)
    assert found.openid.keys() == {"house", "other"}
    house = found.openid["house"]
    assert (house.client_secret, house.create_accounts, house.teams) == ("hidden away", True, {"g 1": "cleaners"})
    assert "hidden" not in repr(found) + repr(found.openid)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('client_secret = ""\n', "client_secret"),
        ('client_secret = "x"\nscopes = "profile"\n', "openid among the scopes"),
        ('client_secret = "x"\n[openid.2020-house]\n', "openid"),
        ("", "client_secret"),
    ],
)
def test_a_provider_that_cannot_work_is_refused_at_the_start(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "insula.toml"
    file.write_text(OPENID + text)
    with pytest.raises(InputError, match=why):
        load_settings(file, {})


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "id.example", "https://", "file:///etc", "http://127.0.0.1.evil.example"]
)
def test_an_issuer_without_tls_is_for_loopback_alone(issuer: str) -> None:
    more = {"INSULA_OPENID_A_CLIENT_ID": "a", "INSULA_OPENID_A_CLIENT_SECRET": "b"}
    with pytest.raises(InputError, match="https://"):
        load_settings(environment={"INSULA_OPENID_A_ISSUER": issuer, **more})
