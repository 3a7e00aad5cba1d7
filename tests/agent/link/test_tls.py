from __future__ import annotations

import socket
import subprocess
import threading
import time

import pytest

from agent.records import Lane

EC = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two authorities, certificates for the broker (good, other name, expired) and for the gateway."""
    made = tmp_path_factory.mktemp("keys")
    for ca in ("ca", "other"):
        openssl(
            made,
            *f"req -x509 {EC} -days 2 -keyout {ca}.key -out {ca}.pem".split(),
            *["-subj", f"/CN={ca}"],
        )
    for name, san, days in (
        ("good", "IP:127.0.0.1", "2"),
        ("named", "DNS:elsewhere.example", "2"),
        ("expired", "IP:127.0.0.1", "-1"),
        ("gateway", "DNS:demo", "2"),
    ):
        (made / f"{name}.ext").write_text(f"subjectAltName={san}\n")
        openssl(
            made,
            *f"req {EC} -keyout {name}.key -out {name}.csr".split(),
            *["-subj", f"/CN={name}"],
        )
        sign = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -extfile {name}.ext"
        openssl(made, *sign.split(), "-days", days)
    return made


def listener(keys, name):
    return (
        f"listener @PORT 127.0.0.1\nallow_anonymous true\ncafile {keys}/ca.pem\ncertfile {keys}/{name}.pem\n"
        f"keyfile {keys}/{name}.key\nrequire_certificate true\n"
    )


def tls(keys, ca="ca"):
    return {"tls": True, "ca": keys / f"{ca}.pem", "cert": keys / "gateway.pem", "key": keys / "gateway.key"}


def test_a_broker_with_the_right_certificate_is_talked_to(rig, keys):
    broker = rig.make_broker(listener(keys, "good"), plain=False).start()
    seq = rig.journal.write(Lane.ALARM)
    with rig.link(broker.port, **tls(keys)) as link:
        rig.wait(lambda: rig.upto(link)["rec0"] == seq)


@pytest.mark.parametrize(
    "case",
    [
        ("good", "other", "certificate verify failed"),
        ("named", "ca", "IP address mismatch"),
        ("expired", "ca", "certificate has expired"),
    ],
    ids=lambda case: case[2],
)
def test_any_other_broker_is_not(rig, keys, caplog, case):
    certificate, ca, trouble = case
    broker = rig.make_broker(listener(keys, certificate), plain=False).start()
    rig.journal.write(Lane.ALARM)
    with rig.link(broker.port, **tls(keys, ca)) as link:
        rig.wait(lambda: trouble in link.state()["trouble"])
        first = int(link._ledger.kept("session"))
        time.sleep(2.5)
        assert 1 <= int(link._ledger.kept("session")) - first <= 4, "it tries again, and not busily"
        assert rig.upto(link)["rec0"] == 0
    assert len([r for r in caplog.records if trouble in r.message]) == 1, "one line per change of state"


def test_certificates_are_read_again_at_each_attempt(rig, keys):
    broker = rig.make_broker(listener(keys, "good"), plain=False).start()
    ca = rig.directory / "ca.pem"
    seq = rig.journal.write(Lane.ALARM)
    with rig.link(broker.port, **{**tls(keys), "ca": ca}) as link:
        rig.wait(lambda: "No such file" in link.state()["trouble"])
        ca.write_bytes((keys / "ca.pem").read_bytes())
        rig.wait(lambda: rig.upto(link)["rec0"] == seq)


def test_a_stalled_handshake_is_given_up(rig, keys):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        accepted = []
        threading.Thread(target=lambda: accepted.append(mute.accept()), daemon=True).start()
        with rig.link(mute.getsockname()[1], connect_timeout_s=1.0, keepalive_s=1, **tls(keys)) as link:
            rig.wait(lambda: "timed out" in link.state()["trouble"], timeout=6)
        assert accepted
        accepted[0][0].close()
