"""`tocsin scan` as a technician uses it: what it finds, what it says, and that its piece of a site file is one."""

from __future__ import annotations

import json
import threading
import tomllib

from agent.config import load_site
from agent.find.fragment import fragment
from agent.find.place import lasting_name, port_at
from agent.find.result import Unit
from drivers.find import sweep
from drivers.find.likeness import Likeness
from drivers.find.port import HostPort, SerialPort, Settings
from drivers.registers import load_map
from hil.codec import RTU, Request
from hil.devices import GasModule, KellerPressure, RadarLevel, TippingRain, Vibration
from hil.faults import Fault, FaultPlan
from hil.tcp import VirtualTcp

QUICK = ("--baud", "115200", "--parity", "N", "--wait", "5 ms", "--listen", "20 ms")
SITE = '[site]\nid = "found"\nlanguages = ["en"]\n'


def pasted(tmp_path, fragment_text):
    path = tmp_path / "site.toml"
    path.write_text(SITE + fragment_text, encoding="utf-8")
    return load_site(path)


def test_units_are_found_named_and_ready_for_a_site_file(line, tocsin, tmp_path):
    gas = GasModule()
    gas.min_poll_s = 0.0
    bench = line({3: RadarLevel(350), 7: gas, 17: KellerPressure(0.1), 192: TippingRain()}, baudrate=9600, timed=False)
    words = ("--baud", "9600", "--parity", "N", "--wait", "20 ms", "--listen", "20 ms", "--json")
    result = tocsin("scan", bench.path, *words, "--units", "1-20,192")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["heard"] == "silent"
    assert told["ended"]
    models = {unit["unit_id"]: unit["model"] for unit in told["units"]}
    assert models == {3: "hlk-ld8001h", 7: "gas-6in1", 17: "keller-30", 192: "sen0575"}
    assert "level 350 mm" in told["units"][0]["readings"]
    site = pasted(tmp_path, told["fragment"])
    assert {device.section.map for device in site.devices.values()} == set(models.values())
    assert site.buses["found"].section.baudrate == 9600
    assert {heard.pdu[0] for heard in bench.heard} <= {1, 2, 3, 4}, "a search never writes"


def test_what_is_shown_fits_a_terminal_and_unknown_units_stay_comments(line, tocsin, tmp_path):
    bench = line({3: RadarLevel(350), 80: Vibration()})
    result = tocsin("scan", bench.path, *QUICK, "--units", "3,80")
    assert result.exit_code == 0
    assert "hlk-ld8001h: HLK-LD8001H" in result.stdout
    assert "unknown, like" in result.stdout
    assert "Asking 2 unit ids at 1 settings: at most" in result.stderr
    assert all(len(row) <= 80 for row in result.stdout.splitlines() if str(bench.path) not in row)
    text = result.stdout.split("For the site file:")[1]
    assert list(tomllib.loads(text)["device"]) == ["unit-3"]
    assert f"# tocsin probe {bench.path} --unit 80 --baud 115200 --parity N" in text.replace("\n", " ").replace(
        "  ", " "
    )
    pasted(tmp_path, text)


def test_another_master_is_left_alone(line, tocsin):
    bench = line({3: RadarLevel(350)})
    request = Request(3, 3, 1)
    frames = RTU.frame(3, request.encode()) + RTU.frame(3, request.reply([350]))
    ended = threading.Event()

    def speak():
        while not ended.wait(0.05):
            bench.send(frames)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        result = tocsin("scan", bench.path, "--baud", "115200", "--parity", "N", "--listen", "300 ms")
    finally:
        ended.set()
        speaker.join()
    assert result.exit_code == 1
    assert "Somebody else is master here at 115200 8N1: unit ids 3 are asked" in result.output
    assert "--anyway" in result.output
    assert not bench.heard, "nothing was asked"


def test_nobody_there_and_nothing_to_hear_is_said_with_advice(line, tocsin):
    bench = line({})
    result = tocsin("scan", bench.path, *QUICK, "--units", "1-3")
    assert result.exit_code == 1
    assert "Nobody answered" in result.stdout
    assert "A and B swapped" in result.stdout


def test_two_units_with_one_id_are_told(line, tocsin, monkeypatch):
    monkeypatch.setattr(sweep, "PATIENCE_S", 0.12)
    bench = line({5: RadarLevel()})
    bench.faults[5] = FaultPlan.always(Fault.GARBAGE)
    result = tocsin("scan", bench.path, *QUICK, "--units", "5")
    assert result.exit_code == 1
    assert "Something answers at 115200 8N1 to unit id 5" in " ".join(result.stdout.split())


def test_the_right_speed_is_found_among_others(line, tocsin):
    bench = line({3: RadarLevel(350)}, baudrate=19200)
    words = ("--wait", "5 ms", "--listen", "10 ms", "--units", "3")
    result = tocsin("scan", bench.path, "--baud", "9600,19200,38400", "--parity", "N,O", *words, "--first", "--json")
    assert result.exit_code == 0
    assert [(unit["unit_id"], unit["baudrate"]) for unit in json.loads(result.stdout)["units"]] == [(3, 19200)]


def test_a_host_is_searched_too(tocsin, tmp_path):
    with VirtualTcp({2: KellerPressure(0.1), 9: RadarLevel(20)}) as gateway:
        words = ("--units", "1-10", "--wait", "20 ms", "--json")
        result = tocsin("scan", f"127.0.0.1:{gateway.port}", *words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {unit["unit_id"]: unit["model"] for unit in told["units"]} == {2: "keller-30", 9: "hlk-ld8001h"}
    assert pasted(tmp_path, told["fragment"]).buses["found"].section.host == "127.0.0.1"


def test_what_is_wrong_on_the_command_line_is_told(tocsin, tmp_path):
    for words, told in (
        (("--units", "0-300"), "expected numbers and ranges of 1 to 247"),
        (("--parity", "X"), "expected N, E or O"),
        (("--wait", "5"), "a duration with its unit"),
    ):
        result = tocsin("scan", tmp_path / "nothing", *words)
        assert result.exit_code == 2
        assert told in result.stderr
    result = tocsin("scan", tmp_path / "nothing")
    assert result.exit_code == 1
    assert "no such file" in " ".join(result.stderr.split())


def test_units_at_several_speeds_get_lines_of_their_own(tmp_path):
    radar = load_map("hlk-ld8001h")
    units = [Unit(3, Settings(rate), 0.01, late=False) for rate in (9600, 115200)]
    text = fragment(SerialPort("/dev/ttyUSB0"), units, {"hlk-ld8001h": radar})
    assert set(tomllib.loads(text)["bus"]) == {"found-9600-n", "found-115200-n"}
    assert text.startswith("# Units were found at several settings")


def test_a_model_at_a_speed_that_its_map_does_not_know_is_a_comment_with_the_reason():
    rain = load_map("sen0575")
    model = Likeness("sen0575", rain.device.title, 30.0, ("its own unit id",))
    unit = Unit(192, Settings(38400), 0.01, late=False, model=model)
    text = fragment(SerialPort("/dev/ttyUSB0"), [unit], {"sen0575": rain})
    assert "its map knows only 9600" in text
    assert "device" not in tomllib.loads(text)


def test_the_name_that_lasts(tmp_path):
    (tmp_path / "ttyUSB0").touch()
    by_id = tmp_path / "by-id"
    assert lasting_name(str(tmp_path / "ttyUSB0"), by_id) == str(tmp_path / "ttyUSB0")
    by_id.mkdir()
    (by_id / "usb-FTDI-1234").symlink_to(tmp_path / "ttyUSB0")
    assert lasting_name(str(tmp_path / "ttyUSB0"), by_id) == str(by_id / "usb-FTDI-1234")
    assert isinstance(port_at("gateway.local:502"), HostPort)
    assert isinstance(port_at("/dev/serial/by-path/pci-0000:00:14.0-usb-0:2"), SerialPort)
