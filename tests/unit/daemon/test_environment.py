"""Flags, environment and file become settings; whatever is wrong is said at once, by the setting's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom.daemon.environment import Loaded, load
from maelstrom.model.errors import InvalidSettings, Problem
from maelstrom.model.settings import Listen, Settings


def settings_of(**environ: str) -> Settings:
    return load([], environ).settings


def problems_of(argv: list[str] | None = None, **environ: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidSettings) as caught:
        load(argv or [], environ)
    return caught.value.problems


def names_of(problems: tuple[Problem, ...]) -> list[str]:
    return [p.path for p in problems]


def test_nothing_given_is_a_runnable_node() -> None:
    loaded = load([], {})
    assert loaded.command == "run"
    assert loaded.settings.database_url == f"sqlite:///{loaded.settings.state_dir}/maelstrom.db"
    assert loaded.settings.public_listen == (Listen(host="0.0.0.0", port=80),)
    assert loaded.settings.node_name
    assert not loaded.notices


@pytest.mark.parametrize("command", ["run", "migrate", "check-config", "version"])
def test_command_stands_before_or_after_the_flags(command: str, tmp_path: Path) -> None:
    flag = ["--state-dir", str(tmp_path)]
    assert load([command, *flag], {}).command == load([*flag, command], {}).command == command


def test_places_of_certificates_are_absolute() -> None:
    settings = settings_of(MAEL_TLS_CERTIFICATES="/etc/tls, a.crt:a.key", MAEL_PUBLIC_TLS_LISTEN="0.0.0.0:443,[::]:443")
    here = Path.cwd()
    assert settings.tls_certificates == ("/etc/tls", f"{here}/a.crt:{here}/a.key")
    assert [listen.port for listen in settings.public_tls_listen] == [443, 443]


def test_a_tls_listener_needs_certificates() -> None:
    assert names_of(problems_of(MAEL_PUBLIC_TLS_LISTEN="0.0.0.0:443")) == ["MAEL_PUBLIC_TLS_LISTEN"]


def test_the_version_is_also_a_flag() -> None:
    assert load(["--version"], {}).command == "version"


def test_flag_wins_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "maelstromd.env"
    file.write_text("MAEL_NODE_NAME=file\nMAEL_CLUSTER_NAME=file\nMAEL_LOG_LEVEL=debug\n")
    argv = ["--config", str(file), "--node-name=flag"]
    settings = load(argv, {"MAEL_NODE_NAME": "environ", "MAEL_CLUSTER_NAME": "environ"}).settings
    assert (settings.node_name, settings.cluster_name, settings.log_level) == ("flag", "environ", "debug")


def test_every_setting_but_secrets_has_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load(["--help"], {})
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "--admin-token" not in text
    assert "--acme-eab-hmac-key" not in text
    for name in Settings.model_fields.keys() - {"admin_token", "acme_eab_hmac_key"}:
        assert f"--{name.replace('_', '-')} " in text


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("0.0.0.0:80", Listen(host="0.0.0.0", port=80)),
        (":8080", Listen(host="0.0.0.0", port=8080)),
        ("localhost:0", Listen(host="localhost", port=0)),
        ("[::1]:8374", Listen(host="::1", port=8374)),
    ],
)
def test_listen_address_is_host_and_port(text: str, listen: Listen) -> None:
    assert settings_of(MAEL_PUBLIC_LISTEN=text).public_listen == (listen,)


def test_the_public_gateway_may_have_several_addresses() -> None:
    addresses = settings_of(MAEL_PUBLIC_LISTEN="0.0.0.0:80, [::]:80,localhost:8080").public_listen
    assert [str(one) for one in addresses] == ["0.0.0.0:80", "[::]:80", "localhost:8080"]
    loaded = load([], {"MAEL_PUBLIC_LISTEN": "127.0.0.1:1,[::1]:1"})
    assert loaded.shown()["MAEL_PUBLIC_LISTEN"] == "127.0.0.1:1,[::1]:1"


@pytest.mark.parametrize(
    ("text", "named"), [("127.0.0.1:80,nowhere", "nowhere"), ("127.0.0.1:80,127.0.0.1:80", "twice")]
)
def test_of_several_addresses_the_wrong_one_is_named(text: str, named: str) -> None:
    (problem,) = problems_of(MAEL_PUBLIC_LISTEN=text)
    assert (problem.path, named in problem.message) == ("MAEL_PUBLIC_LISTEN", True)


@pytest.mark.parametrize("text", ["80", "localhost", "::1:80", "[::z]:80", "a b:1", "h:65536", "h:-1", "http://h:80"])
def test_what_is_no_listen_address_is_refused(text: str) -> None:
    (problem,) = problems_of(MAEL_ADMIN_LISTEN=text)
    assert problem.path == "MAEL_ADMIN_LISTEN"


def test_every_problem_is_listed_at_once() -> None:
    wrong = {
        "MAEL_ACCESS_LOG": "2",
        "MAEL_ADMIN_HOSTS": "https://x",
        "MAEL_ADMIN_TOKEN": "pass word",
        "MAEL_BEAT_SECONDS": "soon",
        "MAEL_DATABASE_URL": "mysql://db",
        "MAEL_GATEWAY_WORKERS": "0",
        "MAEL_LOG_LEVEL": "loud",
        "MAEL_MAX_BODY_BYTES": "nan",
        "MAEL_NODE_NAME": "a b",
        "MAEL_PUBLIC_HEALTH_PATH": "health",
        "MAEL_PUBLIC_LISTEN": "nowhere",
        "MAEL_SHUTDOWN_GRACE_SECONDS": "-1",
        "MAEL_STOP_CONTAINERS": "maybe",
        "MAEL_TRUSTED_PROXIES": "10.0.0.0/8, me",
    }
    assert names_of(problems_of(**wrong)) == list(wrong)


def test_session_lives_at_least_three_beats() -> None:
    assert names_of(problems_of(MAEL_BEAT_SECONDS="5")) == ["MAEL_SESSION_TTL_SECONDS"]
    assert settings_of(MAEL_BEAT_SECONDS="5", MAEL_SESSION_TTL_SECONDS="15").session_ttl_seconds == 15


def test_an_external_account_has_an_id_and_a_key() -> None:
    key = "c2VjcmV0LXNlY3JldA"
    assert settings_of(MAEL_ACME_EAB_KID="x", MAEL_ACME_EAB_HMAC_KEY=key).acme_eab_hmac_key == key
    assert names_of(problems_of(MAEL_ACME_EAB_KID="x")) == ["MAEL_ACME_EAB_HMAC_KEY"]
    assert names_of(problems_of(MAEL_ACME_EAB_HMAC_KEY=key)) == ["MAEL_ACME_EAB_KID"]
    (problem,) = problems_of(MAEL_ACME_EAB_KID="x", MAEL_ACME_EAB_HMAC_KEY="no key at all!")
    assert problem.path == "MAEL_ACME_EAB_HMAC_KEY"
    assert "at all" not in str(problem)


@pytest.mark.parametrize("text", ["nan", "inf", "1e999"])
def test_duration_is_finite(text: str) -> None:
    assert names_of(problems_of(MAEL_SHUTDOWN_GRACE_SECONDS=text)) == ["MAEL_SHUTDOWN_GRACE_SECONDS"]


def test_listeners_have_different_addresses_but_may_share_port_zero() -> None:
    same = {"MAEL_PUBLIC_LISTEN": "127.0.0.1:9000", "MAEL_ADMIN_LISTEN": "127.0.0.1:9000"}
    assert names_of(problems_of(**same)) == ["MAEL_ADMIN_LISTEN"]
    assert settings_of(MAEL_PUBLIC_LISTEN="127.0.0.1:0", MAEL_ADMIN_LISTEN="127.0.0.1:0")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("postgres://u@h/db", "postgresql://u@h/db"),
        ("postgresql://u:p@a:5432,b:5433/db?connect_timeout=2", "postgresql://u:p@a:5432,b:5433/db?connect_timeout=2"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=/run/postgresql"),
    ],
)
def test_database_address_is_sqlite_or_postgresql(text: str, stored: str) -> None:
    assert settings_of(MAEL_DATABASE_URL=text).database_url == stored


def test_relative_sqlite_path_is_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_of(MAEL_DATABASE_URL="sqlite:///x.db").database_url == f"sqlite:///{tmp_path}/x.db"


@pytest.mark.parametrize(
    "text", ["sqlite://", "sqlite:///:memory:", "sqlite://x.db", "postgresql://", "db", "oracle://x"]
)
def test_other_databases_are_refused(text: str) -> None:
    assert names_of(problems_of(MAEL_DATABASE_URL=text)) == ["MAEL_DATABASE_URL"]


def test_listen_address_of_the_database_defaults_to_the_database_and_needs_postgresql() -> None:
    assert settings_of(MAEL_DATABASE_URL="postgresql://a/db").database_listen_url == "postgresql://a/db"
    assert settings_of().database_listen_url == ""
    assert settings_of(MAEL_DATABASE_URL="postgresql://a/db").listen_url == "postgresql://a/db"
    pooled = settings_of(MAEL_DATABASE_URL="postgresql://a/db", MAEL_DATABASE_LISTEN_URL="off")
    assert (pooled.database_listen_url, pooled.listen_url) == ("off", None)
    assert names_of(problems_of(MAEL_DATABASE_LISTEN_URL="postgresql://a/db")) == ["MAEL_DATABASE_LISTEN_URL"]


def test_password_of_a_wrong_address_is_never_repeated() -> None:
    for url in ("mysql://root:hunter2@db/x", "postgresql://u:hunter2@[::1/x", "u:hunter2@db"):
        (problem,) = problems_of(MAEL_DATABASE_URL=url)
        assert "hunter2" not in str(problem)


def test_settings_are_shown_with_secrets_masked() -> None:
    external = {"MAEL_ACME_EAB_KID": "kid", "MAEL_ACME_EAB_HMAC_KEY": "hunter2-hunter2_hunter2"}
    address = "postgresql://u:hunter2@db/x?password=hunter2"
    loaded = load([], {"MAEL_DATABASE_URL": address, "MAEL_ADMIN_TOKEN": "hunter2", **external})
    shown = loaded.shown()
    assert "hunter2" not in str(shown)
    assert shown["MAEL_DATABASE_URL"] == "postgresql://u:****@db/x?password=****"
    assert shown["MAEL_BEAT_SECONDS"] == "3"


def test_lists_are_split_and_networks_are_checked() -> None:
    settings = settings_of(MAEL_TRUSTED_PROXIES="10.1.2.3/8, ::1 ,", MAEL_ADMIN_HOSTS="Node1.example,node2")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert settings.admin_hosts == ("node1.example", "node2")


@pytest.mark.parametrize(("text", "stored"), [("off", "off"), ("ALL", "all"), ("1", "all"), ("0.01", "0.01")])
def test_access_log_is_off_all_or_a_share(text: str, stored: str) -> None:
    assert settings_of(MAEL_ACCESS_LOG=text).access_log == stored


def test_empty_means_unset_except_for_the_health_path() -> None:
    settings = settings_of(MAEL_PUBLIC_LISTEN="", MAEL_PUBLIC_HEALTH_PATH="", MAEL_LOG_FORMAT=" ")
    assert settings.public_listen[0].port == 80
    assert settings.public_health_path == ""
    assert settings.log_format == "text"


def test_boolean_flag_needs_no_value_and_does_not_swallow_the_command() -> None:
    loaded = load(["--stop-containers", "check-config"], {})
    assert (loaded.settings.stop_containers, loaded.command) == (True, "check-config")
    assert load(["--stop-containers=false"], {"MAEL_STOP_CONTAINERS": "true"}).settings.stop_containers is False


@pytest.mark.parametrize("argv", [["--no-such-flag"], ["fly"], ["--node-name"], ["run", "run"]])
def test_wrong_arguments_are_a_problem_like_any_other(argv: list[str]) -> None:
    assert names_of(problems_of(argv)) == ["arguments"]


def test_version_needs_no_valid_settings() -> None:
    assert load(["version"], {"MAEL_PUBLIC_LISTEN": "nowhere"}).command == "version"


def test_unknown_name_is_pointed_out_with_the_nearest_known_one() -> None:
    (notice,) = load([], {"MAEL_PUBLIC_LISTENS": "x", "HOME": "/"}).notices
    assert "MAEL_PUBLIC_LISTENS" in notice
    assert "is MAEL_PUBLIC_LISTEN meant?" in notice


def test_state_directory_of_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_of(MAEL_STATE_DIR="state").state_dir == tmp_path / "state"


class TestFile:
    def load(self, path: Path, text: str | bytes, **environ: str) -> Loaded:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(["-f", str(path)], environ)

    def test_lines_are_trimmed_and_comments_skipped(self, tmp_path: Path) -> None:
        text = "\ufeff# a comment\r\n\r\n  MAEL_NODE_NAME = n1 \r\nMAEL_CLUSTER_NAME=c=1\n"
        with pytest.raises(InvalidSettings) as caught:
            self.load(tmp_path / "settings", text)
        (problem,) = caught.value.problems
        assert (problem.path, problem.line) == ("MAEL_CLUSTER_NAME", 4)

    def test_a_line_without_equals_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings) as caught:
            self.load(tmp_path / "settings", "MAEL_NODE_NAME=a\nexport\n1x=2\n")
        assert [p.line for p in caught.value.problems] == [2, 3]

    @pytest.mark.parametrize("name", ["settings.yml", "settings"])
    def test_yaml_takes_names_of_either_form(self, name: str, tmp_path: Path) -> None:
        text = "node_name: n1\nMAEL_STOP_CONTAINERS: yes\ntrusted_proxies: [10.0.0.0/8, 127.0.0.1]\nbeat_seconds:\n"
        settings = self.load(tmp_path / name, text).settings
        assert settings.node_name == "n1"
        assert settings.stop_containers is True
        assert settings.trusted_proxies == ("10.0.0.0/8", "127.0.0.1/32")
        assert settings.beat_seconds == 3

    def test_a_small_name_that_is_no_setting_is_pointed_out(self, tmp_path: Path) -> None:
        loaded = self.load(tmp_path / "settings.yml", "public_listn: 0.0.0.0:81\nhttps_proxy: http://p\n")
        (notice,) = loaded.notices
        assert notice.startswith("public_listn (")
        assert notice.endswith(":1) is no setting and is ignored; is public_listen meant?")

    @pytest.mark.parametrize(
        "text", ["a: [", "- x", "node_name: {a: b}", "? [a]\n: b\n", b"\xff\xfe", "x" * (1 << 20) + "y"]
    )
    def test_a_file_that_is_none_is_refused(self, text: str | bytes, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings):
            self.load(tmp_path / "settings.yml", text)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        assert "cannot read" in problems_of(["--config", str(tmp_path / "none")])[0].message

    def test_names_of_libraries_are_exported_and_the_environment_wins(self, tmp_path: Path) -> None:
        loaded = self.load(tmp_path / "settings", "AWS_REGION=eu-west-1\nDOCKER_HOST=tcp://x\nMAEL_LOG_LEVEL=debug\n")
        environ = {"DOCKER_HOST": "unix:///y"}
        loaded.export(environ)
        assert environ == {"DOCKER_HOST": "unix:///y", "AWS_REGION": "eu-west-1"}

    def test_an_old_name_in_it_gives_way_to_the_environment(self, tmp_path: Path) -> None:
        loaded = self.load(tmp_path / "settings", "MAEL_PUBLIC_PORT=8080\n", MAEL_PUBLIC_LISTEN="127.0.0.1:81")
        assert loaded.settings.public_listen == (Listen(host="127.0.0.1", port=81),)


class TestAncestor:
    def test_ports_become_listen_addresses_with_a_notice(self) -> None:
        loaded = load([], {"MAEL_PUBLIC_PORT": "8080", "MAEL_PRIVATE_PORT": "9000"})
        assert loaded.settings.public_listen == (Listen(host="0.0.0.0", port=8080),)
        assert loaded.settings.admin_listen == Listen(host="127.0.0.1", port=9000)
        assert len(loaded.notices) == 2

    @pytest.mark.parametrize(
        ("driver", "dsn", "url"),
        [
            ("sqlite3", "/data/m.db?cache=shared", "sqlite:////data/m.db"),
            ("sqlite3", "file:/data/m.db", "sqlite:////data/m.db"),
            ("postgres", "postgres://u:p@h:5432/db?sslmode=disable", "postgresql://u:p@h:5432/db?sslmode=disable"),
            (
                "postgres",
                "host=h user=u password='a b' dbname=db",
                "postgresql:///?host=h&user=u&password=a%20b&dbname=db",
            ),
        ],
    )
    def test_driver_and_dsn_become_the_database_address(self, driver: str, dsn: str, url: str) -> None:
        loaded = load([], {"MAEL_SQL_DRIVER": driver, "MAEL_SQL_DSN": dsn})
        assert loaded.settings.database_url == url
        assert "MAEL_DATABASE_URL" in loaded.notices[0]

    def test_mysql_is_refused(self) -> None:
        (problem,) = problems_of(MAEL_SQL_DRIVER="mysql", MAEL_SQL_DSN="root:hunter2@tcp(db)/m")
        assert problem.path == "MAEL_DATABASE_URL"
        assert "'mysql'" in problem.message
        assert "MAEL_SQL_DRIVER" in problem.hint

    def test_todays_name_wins_beside_an_old_one(self) -> None:
        loaded = load([], {"MAEL_PUBLIC_PORT": "1", "MAEL_PUBLIC_LISTEN": "127.0.0.1:2"})
        assert loaded.settings.public_listen[0].port == 2
        assert "ignored" in loaded.notices[0]

    def test_a_wrong_value_is_reported_with_both_names(self) -> None:
        (problem,) = problems_of(MAEL_PUBLIC_PORT="http")
        assert (problem.path, "MAEL_PUBLIC_PORT" in problem.hint) == ("MAEL_PUBLIC_LISTEN", True)

    @pytest.mark.parametrize(
        "name",
        [
            "MAEL_CRON_REFRESH_SECONDS",
            "MAEL_PPROF",
            "LETSENCRYPT_EMAIL",
            "DIND_HOST",
            "MAEL_DO_TOKEN",
            "MAEL_CLUSTER_X",
        ],
    )
    def test_a_dead_name_is_named(self, name: str) -> None:
        (notice,) = load([], {name: "1"}).notices
        assert notice.startswith(f"{name} no longer means anything")

    def test_our_own_names_with_an_old_prefix_are_not_dead(self) -> None:
        loaded = load([], {"MAEL_CLUSTER_NAME": "c1", "MAEL_TOTAL_MEMORY": "512"})
        assert (loaded.settings.cluster_name, loaded.settings.total_memory, loaded.notices) == ("c1", 512, ())

    @pytest.mark.parametrize(("text", "level"), [("*=DBG", "debug"), ("ERR,dat=DBG", "error"), ("*", "info")])
    def test_log_names_are_understood(self, text: str, level: str) -> None:
        settings = settings_of(LOGXI=text, LOGXI_FORMAT="JSON")
        assert (settings.log_level, settings.log_format) == (level, "json")


@pytest.mark.parametrize("argv", [["--pubic-listen", "x"], ["--pubic-listen=x"], ["run", "--pubic-listen"]])
def test_a_misspelt_flag_is_named_and_not_the_word_after_it(argv: list[str]) -> None:
    (problem,) = problems_of(argv)
    assert problem.message == "`--pubic-listen` is no option"
    assert problem.hint == "did you mean `--public-listen`?"


def test_the_help_begins_with_what_the_commands_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(["--help"], {})
    begin = capsys.readouterr().out[:2000]
    for command in ("run", "migrate", "new-era", "upgrade", "check-config", "version"):
        assert f"\n  {command} " in begin


def test_a_number_out_of_its_range_is_told_the_range() -> None:
    (problem,) = problems_of(MAEL_GATEWAY_WORKERS="-1")
    assert problem.message == "must be at least 1"
