from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from server.errors import TlsError
from server.local_ca import LEAF_DAYS, RENEW_BEFORE, make_ca, make_leaf, must_renew, names_of
from server.local_names import certificate_names, this_machines_names
from server.settings import Settings
from server.tls import FOLDER, ServerTls, ca_certificate_path, open_tls, server_context

NOW = datetime(2027, 1, 1, tzinfo=UTC)
NAMES = ["shop", "shop.local", "localhost", "127.0.0.1", "::1", "192.168.1.7"]


class Machine:
    """Names and a clock that a test may change."""

    def __init__(self) -> None:
        self.names = list(NAMES)
        self.now = datetime.now(UTC)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "tls": "auto"})


def opened(settings: Settings, machine: Machine) -> ServerTls:
    tls = open_tls(settings, names=lambda: machine.names, now=lambda: machine.now)
    assert tls is not None
    return tls


def test_what_phones_demand_of_a_certificate() -> None:
    ca = make_ca("shop", "ab12", NOW)
    leaf = make_leaf(ca, NAMES, NOW).certificate
    leaf.verify_directly_issued_by(ca.certificate)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=398)
    assert leaf.not_valid_before_utc < NOW
    assert names_of(leaf) == set(NAMES)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    basic = ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value.ca
    assert basic.value.path_length == 0


def test_two_authorities_have_two_names() -> None:
    first, second = make_ca("shop", "ab12", NOW), make_ca("shop", "cd34", NOW)
    assert first.certificate.subject != second.certificate.subject


def test_when_it_is_renewed() -> None:
    ca = make_ca("shop", "ab12", NOW)
    leaf = make_leaf(ca, NAMES, NOW)
    end = leaf.certificate.not_valid_after_utc
    assert end - NOW > timedelta(days=LEAF_DAYS - 1)
    assert not must_renew(leaf, ca, NAMES, NOW)
    assert not must_renew(leaf, ca, NAMES[:2], NOW), "an address that went is no reason"
    assert not must_renew(leaf, ca, NAMES, end - RENEW_BEFORE)
    assert must_renew(leaf, ca, NAMES, end - RENEW_BEFORE + timedelta(seconds=1))
    assert must_renew(leaf, ca, [*NAMES, "192.168.1.8"], NOW)
    assert must_renew(leaf, make_ca("shop", "cd34", NOW), NAMES, NOW)


def test_names_of_a_machine() -> None:
    names = certificate_names("Shop.lan", ["192.168.1.7", "2001:DB8::1"], ["203.0.113.7"])
    assert names == [
        "shop.lan",
        "shop.local",
        "localhost",
        "192.168.1.7",
        "2001:db8::1",
        "203.0.113.7",
        "127.0.0.1",
        "::1",
    ]


@pytest.mark.parametrize("hostname", ["", "my_shop", "店", "a b"])
def test_a_host_name_that_no_certificate_may_carry(hostname: str) -> None:
    assert certificate_names(hostname, [], [])[0] == "localhost"


def test_this_machine_has_itself() -> None:
    assert {"localhost", "127.0.0.1", "::1"} <= set(this_machines_names([]))


def test_made_once_and_private(settings: Settings, machine: Machine) -> None:
    first = opened(settings, machine)
    ca, expires = first.ca_pem, first.expires
    again = opened(settings, machine)
    assert (again.ca_pem, again.expires) == (ca, expires)
    folder = settings.data_dir / FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert ca_certificate_path(settings).read_bytes() == ca


def test_ca_der_is_what_phones_import(settings: Settings, machine: Machine) -> None:
    der = opened(settings, machine).ca_der
    assert der is not None
    assert x509.load_der_x509_certificate(der).subject.rfc4514_string().startswith("CN=lianmai")


def test_refresh_follows_addresses_and_time(settings: Settings, machine: Machine) -> None:
    tls = opened(settings, machine)
    ca = tls.ca_pem
    assert not tls.refresh()
    machine.names.append("192.168.1.8")
    assert tls.refresh()
    machine.now += timedelta(days=LEAF_DAYS - 20)
    assert tls.refresh()
    assert tls.ca_pem == ca, "phones keep trusting it"


async def test_a_browser_that_trusts_the_authority_connects(
    settings: Settings, machine: Machine
) -> None:
    tls = opened(settings, machine)
    assert tls.ca_pem is not None
    client = ssl.create_default_context(cadata=tls.ca_pem.decode())

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for name in ("localhost", "shop.local", "192.168.1.7"):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname=name
            )
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="other")


def test_a_broken_authority_is_not_replaced(settings: Settings, machine: Machine) -> None:
    opened(settings, machine)
    path = ca_certificate_path(settings)
    path.write_bytes(b"rubbish")
    with pytest.raises(TlsError, match="restore it from a backup"):
        opened(settings, machine)
    assert path.read_bytes() == b"rubbish"


def test_a_half_written_leaf_is_made_anew(settings: Settings, machine: Machine) -> None:
    opened(settings, machine)
    key = settings.data_dir / FOLDER / "key.pem"
    other = make_leaf(make_ca("x", "y", NOW), ["localhost"], NOW)
    key.write_bytes(other.key_pem)
    opened(settings, machine)
    assert key.read_bytes() != other.key_pem


def test_files_mode(settings: Settings, machine: Machine, tmp_path: Path) -> None:
    opened(settings, machine)
    folder = settings.data_dir / FOLDER
    files = {"mode": "files", "cert": folder / "cert.pem", "key": folder / "key.pem"}
    tls = open_tls(Settings.model_validate({"data_dir": tmp_path, "tls": files}))
    assert tls is not None
    assert tls.ca_pem is tls.ca_der is None


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("none.pem", "key.pem", "tls.cert: cannot read .*none.pem: No such file"),
        ("cert.pem", "none.pem", "tls.key: cannot read"),
        ("cert.pem", "ca.key", "cannot be used"),
        ("key.pem", "key.pem", "cannot be used"),
    ],
)
def test_files_that_do_not_do(
    settings: Settings, machine: Machine, cert: str, key: str, message: str
) -> None:
    opened(settings, machine)
    folder = settings.data_dir / FOLDER
    files = {"mode": "files", "cert": folder / cert, "key": folder / key}
    with pytest.raises(TlsError, match=message):
        open_tls(Settings.model_validate({"tls": files}))


def test_off_is_none() -> None:
    assert open_tls(Settings()) is None
    assert server_context(Settings()) is None


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(TlsError, match="--data-dir"):
        open_tls(Settings.model_validate({"data_dir": tmp_path / "data", "tls": "auto"}))
