"""The configuration file: what it may say, and how it is told what is wrong."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from fsbilling.config import Config, Switch, load, template, warnings
from fsbilling.errors import ConfigError

SECRET = "s3cret-Pa55"


@pytest.fixture
def write(tmp_path):
    def write(text, name="fsbilling.toml", mode=0o600):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def faults_of(write):
    def faults_of(text, environ=None):
        path = write(text)
        with pytest.raises(ConfigError) as raised:
            load(path, environ or {})
        lines = str(raised.value).splitlines()
        return [line.removeprefix(f"{path}: ") for line in lines]

    return faults_of


def settings(section):
    return {field.encode_name: field.default for field in msgspec.structs.fields(section)}


def sections():
    values = (getattr(Config(), field.name) for field in msgspec.structs.fields(Config))
    return [type(value) for value in values if isinstance(value, msgspec.Struct)] + [Switch]


def test_the_template_has_every_setting_with_its_default_and_nothing_else():
    tables = tomllib.loads(template())
    expected = {section.__name__.lower(): settings(section) for section in sections()}
    expected["switch"] = [expected["switch"]]
    tables["numbering"]["emergency"] = frozenset(tables["numbering"]["emergency"])
    assert tables == expected


def test_the_template_explains_every_setting():
    lines = template().splitlines()
    for before, line in pairwise(lines):
        if re.match(r"(?!host|port)\w+ = ", line):
            assert before.startswith("#"), f"nothing explains {line}"


@pytest.mark.parametrize("line", template().splitlines())
def test_the_template_fits_a_screen(line):
    assert len(line) <= 100


def test_the_template_loads_as_the_defaults(write):
    path = write(template())
    assert load(path, {}) == msgspec.structs.replace(load(None, {}), path=path)


def test_without_a_file_every_setting_has_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(None, {})
    assert config.path is None
    assert config.hook.address == ("127.0.0.1", 8084)
    assert config.database.url == "sqlite:///fsbilling.db"
    assert [(s.name, s.host, s.port, s.password) for s in config.switches] == [
        ("fs1", "127.0.0.1", 8021, "ClueCon")
    ]


def test_files_are_looked_for_in_order(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("[log]\nlevel = 'debug'")
    named = write("[log]\nlevel = 'error'", "named.toml")
    given = write("[log]\nlevel = 'warning'", "given.toml")
    assert load(None, {}).log.level == "debug"
    assert load(None, {}).path == Path("fsbilling.toml")
    assert load(None, {"FSBILLING_CONFIG": str(named)}).log.level == "error"
    assert load(given, {"FSBILLING_CONFIG": str(named)}).log.level == "warning"


def test_a_file_that_was_named_must_be_there(tmp_path):
    missing = tmp_path / "missing.toml"
    with pytest.raises(ConfigError, match=r"missing\.toml: no such file"):
        load(missing, {})
    with pytest.raises(ConfigError, match=r"missing\.toml: no such file"):
        load(None, {"FSBILLING_CONFIG": str(missing)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[hook]\nlisten = 127.0.0.1:8084", "not TOML: .*line 2"),
        (b"a = " + b"[" * 100_000, "not TOML"),
        (b"\xff\xfe[hook]", "not UTF-8"),
        (b"#" * 1_000_001, "larger than"),
    ],
)
def test_a_file_that_is_no_toml_is_named(tmp_path, content, message):
    path = tmp_path / "fsbilling.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"fsbilling.toml: {message}"):
        load(path, {})


def test_every_fault_is_named_with_its_place_at_once(faults_of):
    text = """
        colour = "red"
        hook = 3
        [metring]
        [metering]
        slice_second = 30
        slice_s = 0
        warn_sound = "a b"
        [numbering]
        home_area_code = "755"
        emergency = ["1"]
        [log]
        level = "loud"
        mask_numbers = "yes"
        [[switch]]
        name = "sz"
        port = 99999
        [[switch]]
        pasword = "x"
    """
    assert faults_of(text) == [
        "[colour]: unknown section",
        "hook: expected a section, written [hook]",
        "[metring]: unknown section; did you mean [metering]?",
        "[metering] slice_second: unknown key; did you mean slice_s?",
        "[metering] slice_s: expected a whole number from 1 to 3600",
        "[metering] warn_sound: expected a tone or file without spaces, 1 to 512 ASCII characters",
        '[numbering] home_area_code: expected an area code with its 0, such as "0755", or ""',
        '[numbering] emergency: expected a list of numbers of 3 to 6 digits, such as ["110", "119"]',
        '[log] level: expected one of "debug", "error", "info", "warning"',
        "[log] mask_numbers: expected true or false",
        "[[switch]] 'sz' port: expected a whole number from 1 to 65535",
        "[[switch]] number 2 pasword: unknown key; did you mean password?",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[hook]\nlisten = '8084'", '[hook] listen: expected an address and a port such as "127.'),
        ("[hook]\nlisten = '127.0.0.1:99999'", "[hook] listen: expected a port from 0 to 65535"),
        ('[hook]\nlisten = "127.0.0.1:8084\\n"', "[hook] listen: expected an address"),
        ("[hook]\ndeadline_ms = true", "[hook] deadline_ms: expected a whole number from 100"),
        ("[hook]\ndeadline_ms = 2.5", "[hook] deadline_ms: expected a whole number from 100"),
        ("[metering]\nrenew_lead_s = 15", "[metering] renew_lead_s: expected less than first_sl"),
        ("[database]\nurl = 3", "[database] url: expected text in quotes"),
        ("[database]\nurl = 'mysql://x'", "[database] url: expected sqlite:///FILE or postgresql"),
        ("[database]\nurl = 'sqlite:///a'\nurl_file = 'b'", "[database] url_file: url is set too"),
        ("[[switch]]\nname = 'a b'", "[[switch]] 'a b' name: expected 1 to 64 characters"),
        ("[[switch]]\n[[switch]]", "[[switch]] number 2 name: used twice"),
        ("[switch]\nname = 'a'", "switch: expected a section for each switch, written [[switch]]"),
        ("switch = 'a'", "switch: expected a section for each switch, written [[switch]]"),
        (
            "[[switch]]\npassword = 'a'\npassword_env = 'B'",
            "[[switch]] number 1 password: expected one of password, password_file, password_env",
        ),
        ('[[switch]]\npassword = "a\\nb"', "[[switch]] number 1 password: expected printable"),
    ],
)
def test_a_value_that_cannot_be_is_told_what_it_should_be(faults_of, text, fault):
    (told,) = faults_of(text)
    assert told.startswith(fault)


def test_every_number_has_bounds_that_its_default_is_within():
    for section in sections():
        for field in msgspec.structs.fields(section):
            info = msgspec.inspect.type_info(field.type)
            if isinstance(info, msgspec.inspect.IntType):
                assert info.ge <= field.default <= info.le, field.name


def test_faults_beyond_fifty_are_counted(faults_of):
    faults = faults_of("\n".join(f"[x{n}]" for n in range(70)))
    assert len(faults) == 51
    assert faults[-1] == "... and 20 more"


def test_the_database_url_comes_from_the_environment_then_a_file_then_the_setting(write):
    write(f"postgresql://u:{SECRET}@h/d\n", "url")
    path = write("[database]\nurl_file = 'url'")
    assert load(path, {}).database.url == f"postgresql://u:{SECRET}@h/d"
    environ = {"FSBILLING_DATABASE_URL": "sqlite:///other.db"}
    assert load(path, environ).database.url == "sqlite:///other.db"
    path = write("[database]\nurl = 'sqlite:///own.db'")
    assert load(path, {}).database.url == "sqlite:///own.db"
    assert load(path, environ).database.url == "sqlite:///other.db"


def test_a_password_comes_from_the_file_the_environment_or_the_setting(write):
    write(SECRET + "\n", "password")
    path = write(
        "[[switch]]\nname = 'a'\npassword = 'own'\n"
        "[[switch]]\nname = 'b'\npassword_file = 'password'\n"
        "[[switch]]\nname = 'c'\npassword_env = 'FS_C'\n"
        "[[switch]]\nname = 'd'\n"
    )
    config = load(path, {"FS_C": "from-env"})
    assert [s.password for s in config.switches] == ["own", SECRET, "from-env", "ClueCon"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[database]\nurl_file = 'none'", r"\[database\] url_file: .*none: no such file"),
        ("[database]\nurl_file = 'odd'", r"\[database\] url_file: expected sqlite:///FILE or"),
        ("[database]\nurl_file = 'empty'", r"\[database\] url_file: .*empty is empty"),
        ("[[switch]]\npassword_file = 'none'", r"\[\[switch\]\] 'fs1' password_file: .*no such"),
        ("[[switch]]\npassword_file = 'lines'", r"'fs1' password_file: .*lines is not one line"),
        ("[[switch]]\npassword_file = 'bytes'", r"'fs1' password_file: .*bytes: not UTF-8"),
        ("[[switch]]\npassword_file = 'large'", r"'fs1' password_file: .*large is not one line"),
        ("[[switch]]\npassword_env = 'FS'", "password_env: the environment variable FS is empty"),
    ],
)
def test_a_secret_that_cannot_be_fetched_is_named_and_not_told(write, tmp_path, text, fault):
    write("mysql://" + SECRET, "odd")
    write(" \n", "empty")
    write(f"{SECRET}\n{SECRET}", "lines")
    (tmp_path / "bytes").write_bytes(b"\xff" + SECRET.encode())
    write(SECRET * 1000, "large")
    with pytest.raises(ConfigError, match=fault) as raised:
        load(write(text), {})
    assert SECRET not in str(raised.value)


def test_nothing_that_shows_a_configuration_shows_a_secret(write):
    path = write(
        f"[database]\nurl = 'postgresql://u:{SECRET}@h/d'\n[[switch]]\npassword = '{SECRET}'"
    )
    config = load(path, {})
    assert config.switches[0].password == SECRET
    for shown in (repr(config), str(config), f"{config}", repr(config.switches[0])):
        assert SECRET not in shown
    assert config.database.shown_url == "postgresql://u:***@h/d"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/a@b.db", "sqlite:////var/lib/a@b.db"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        (f"postgresql://u:{SECRET}@h:5432/d", "postgresql://u:***@h:5432/d"),
        (f"postgresql://u:{SECRET}@{SECRET}@h/d", "postgresql://u:***@h/d"),
        (f"postgresql://:{SECRET}@h/d", "postgresql://:***@h/d"),
        (f"postgresql://h/d?password={SECRET}&a=b", "postgresql://h/d?password=***&a=b"),
    ],
)
def test_a_url_is_shown_without_its_password(write, url, shown):
    config = load(write(f"[database]\nurl = '{url}'"), {})
    assert config.database.shown_url == shown


def test_the_stock_password_draws_a_warning(write):
    assert "stock" in "".join(warnings(load(write(""), {})))
    assert "stock" in "".join(warnings(load(write("[[switch]]\npassword = 'ClueCon'"), {})))
    assert warnings(load(write(f"[[switch]]\npassword = '{SECRET}'"), {})) == []


def test_what_is_open_to_the_network_draws_a_warning(write):
    text = (
        f"[hook]\nlisten = '0.0.0.0:8084'\n[[switch]]\nhost = 'fs.example'\npassword = '{SECRET}'"
    )
    esl, hook = warnings(load(write(text), {}))
    assert "not encrypted" in esl
    assert "place holds" in hook
    for host in ("localhost", "[::1]", "127.0.0.9"):
        text = f"[hook]\nlisten = '{host}:8084'\n[[switch]]\npassword = '{SECRET}'"
        assert warnings(load(write(text), {})) == []


def test_a_hook_that_outlasts_the_dialplan_is_a_risk(write):
    text = f"[[switch]]\npassword = '{SECRET}'\n[hook]\ndeadline_ms = %d"
    assert warnings(load(write(text % 2_500), {})) == []
    (risk,) = warnings(load(write(text % 2_501), {}))
    assert "sched_hangup" in risk


@pytest.mark.parametrize(
    ("text", "secret_file"),
    [
        (f"[[switch]]\npassword = '{SECRET}'", "fsbilling.toml"),
        (f"[database]\nurl = 'postgresql://u:{SECRET}@h/d'", "fsbilling.toml"),
        ("[database]\nurl_file = 'secret'", "secret"),
        ("[[switch]]\npassword_file = 'secret'", "secret"),
    ],
)
def test_a_secret_that_everybody_can_read_draws_a_warning(write, text, secret_file):
    def readable(config):
        return [warning for warning in warnings(config) if "everybody can read" in warning]

    write("postgresql://h/d", "secret", mode=0o640)
    path = write(text, mode=0o640)
    assert readable(load(path, {})) == []
    path.with_name(secret_file).chmod(0o644)
    (warning,) = readable(load(path, {}))
    assert warning.startswith(str(path.with_name(secret_file)))


def test_the_journal_lies_where_a_service_may_write(write, tmp_path):
    config = load(write("[journal]\npath = 'j'"), {})
    assert config.journal_path({}) == tmp_path / "j"
    state = {"STATE_DIRECTORY": "/var/lib/fsbilling"}
    assert config.journal_path(state) == Path("/var/lib/fsbilling/j")
    assert load(write("[journal]\npath = '/x/j'"), {}).journal_path(state) == Path("/x/j")
