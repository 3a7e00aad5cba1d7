"""The command line is what README and help say, and ends with 0, 1 or 2 for the reasons it promises."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.cli import main
from agent.client import AgentError, call

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SITE = """
[site]
id = "cli"
languages = ["en"]
[bus.b]
port = "{absent}"
[device.pit]
bus = "b"
unit_id = 1
map = "hlk-ld8001h"
period = "1 s"
[alarm.flood.level.red]
when = "pit.level > 40 cm"
"""


def run(*words, timeout=30, **more):
    command = [sys.executable, "-m", "agent.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, check=False, **more)


# --- what is written ---------------------------------------------------------------------------------------------


def table_of_commands():
    """The README's table: every command with what stands after it."""
    table = README.split("## Commands")[1].split("\n\n")[1]
    named = {}
    for row in table.splitlines()[2:]:
        cell = row.split("|")[1]
        quoted = re.findall(r"`([^`]+)`", cell)
        rest = [word for word in re.sub(r"`[^`]+`", "", cell).replace(",", " ").split() if word.isupper()]
        for text in quoted:
            words = text.removeprefix("tocsin ").split()
            named[words[0]] = [*words[1:], *rest]
    return named


def test_the_readme_names_every_command_and_no_other():
    assert set(table_of_commands()) == set(main.commands)


@pytest.mark.parametrize("name", sorted(main.commands))
def test_a_command_takes_what_the_readme_says(name):
    command = main.commands[name]
    arguments = {param.human_readable_name for param in command.params if isinstance(param, click.Argument)}
    options = {opt for param in command.params if isinstance(param, click.Option) for opt in param.opts}
    seen = False
    for word in table_of_commands()[name]:
        if word.strip("[]").startswith("--"):
            assert word.strip("[]") in options
            seen = True
        elif not seen:  # behind an option stand its values
            assert word.strip("[]").removesuffix(".toml").removesuffix(".TOML") in arguments


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_and_option_has_help(name):
    command = main.commands[name]
    assert command.help
    assert command.get_short_help_str(limit=200)[-1:] in ".…"
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.opts
    shown = CliRunner().invoke(main, [name, "-h"] if name != "demo" else [name, "--help"])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: main {name}")


def test_help_lists_every_command():
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    for name in main.commands:
        assert re.search(rf"^  {name}\s+\w", shown.output, re.MULTILINE), name


def test_the_pages_name_only_commands_and_options_that_exist():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for code in re.findall(r"(?:^|`)(?:sudo )?(?:/opt/tocsin/bin/)?tocsin ([a-z][^`\n|]*)", text, re.MULTILINE):
            words = code.split("#")[0].replace(",", " ").split()
            assert words[0] in main.commands, f"{page.name}: tocsin {code}"
            known = {opt for param in main.commands[words[0]].params for opt in param.opts}
            given = {word.strip("[]") for word in words if word.strip("[").startswith("--")}
            assert given <= known | {"--keep", "--help"}, f"{page.name}: tocsin {code}"


def test_the_demo_explains_its_own_options():
    shown = run("demo", "--scenario", "no-such-story")
    assert shown.returncode == 1
    assert "flood" in shown.stdout


# --- 2: bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["nosuch"],
        ["check"],
        ["status", "--nosuch"],
        ["shelve", "flood"],
        ["shelve", "flood", "--for", "soon", "--why", "x"],
        ["shelve", "flood", "--for", "2 h"],
        ["silence", "flood", "--for", "-1 min"],
        ["demo", "--nosuch"],
    ],
)
def test_wrong_words_end_with_2(words):
    ended = run(*words)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip()


@pytest.mark.parametrize("command", ["run", "guard", "link", "check"])
@pytest.mark.parametrize("content", [None, "", "[site\n", "[site]\nid = 1\n[alarm.x]\nwhen = 'pit.level >'\n"])
def test_a_site_that_cannot_be_used_ends_with_2(command, content, tmp_path):
    site = tmp_path / "site.toml"
    if content is not None:
        site.write_text(content)
    ended = run(command, site, *([] if command == "check" else ["--state", tmp_path / "state"]))
    told = ended.stdout + ended.stderr
    assert ended.returncode == 2, told
    assert "site.toml" in told.replace("\n", "")
    assert "Traceback" not in told
    if content == "[site\n":
        assert "site.toml:1:" in told.replace("\n", "")


# --- 1: it failed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["alarms", "--json"],
        ["ack", "flood"],
        ["reset", "flood"],
        ["unshelve", "flood"],
        ["silence", "flood"],
        ["shelve", "flood", "--for", "2 h", "--why", "repair"],
    ],
    ids=lambda words: words[0],
)
def test_without_an_agent_it_says_what_to_do(words, tmp_path):
    ended = run(*words, "--socket", tmp_path / "nobody.sock")
    assert ended.returncode == 1
    assert "no agent is running here" in ended.stderr
    assert str(tmp_path / "nobody.sock") in ended.stderr
    assert "--socket" in ended.stderr
    assert ended.stdout == ""


def test_a_dead_agents_socket_is_no_agent(tmp_path):
    import socket  # noqa: PLC0415

    place = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place))
    ended = run("status", "--socket", place)
    assert ended.returncode == 1
    assert "no agent is running here" in ended.stderr


# --- 0, with a running agent -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """The socket of a running agent, whose one line is absent."""
    directory = tmp_path_factory.mktemp("agent")
    site, place = directory / "site.toml", directory / "control.sock"
    site.write_text(SITE.format(absent=directory / "absent"))
    command = [sys.executable, "-m", "agent.cli", "run", str(site), "--state", str(directory / "state"), "--no-jit"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([*command, "--socket", str(place)], cwd=ROOT, stdout=log, stderr=log)
    try:
        end_s = time.monotonic() + 20
        while True:
            try:
                call({"do": "status"}, [place])
                break
            except AgentError:
                assert process.poll() is None, (directory / "log").read_text()
                assert time.monotonic() < end_s, (directory / "log").read_text()
                time.sleep(0.05)
        yield place
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, (directory / "log").read_text()


def test_status_for_people_and_for_machines(agent):
    told = run("status", "--socket", agent)
    assert told.returncode == 0, told.stderr
    assert "pit.level" in told.stdout
    assert "flood" in told.stdout
    shown = run("status", "--json", "--socket", agent)
    assert json.loads(shown.stdout)["site"]["id"] == "cli"
    shown = run("alarms", "--json", "--socket", agent)
    assert json.loads(shown.stdout)["flood"]["level"] == "normal"
    assert run("alarms", "--socket", agent).returncode == 0


def test_the_socket_may_be_named_by_the_environment(agent):
    assert run("status", "--json", env={"TOCSIN_SOCKET": str(agent), "PATH": "/usr/bin:/bin"}).returncode == 0


@pytest.mark.parametrize("act", ["ack", "reset", "unshelve", "silence", "shelve"])
def test_an_unknown_alarm_is_told_with_the_known_ones(agent, act):
    more = ["--for", "1 h", "--why", "x"] if act == "shelve" else []
    ended = run(act, "flod", *more, "--socket", agent)
    assert ended.returncode == 1
    assert "'flod'" in ended.stderr
    assert "flood" in ended.stderr.replace("'flod'", "")


def test_an_act_answers_with_the_alarm(agent):
    ended = run("shelve", "flood", "--for", "1 h", "--why", "repair of the pit", "--socket", agent)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("flood: ")
    assert "shelved" in ended.stdout
    ended = run("unshelve", "flood", "--socket", agent)
    assert ended.returncode == 0, ended.stderr
    assert "shelved" not in ended.stdout


def test_what_is_not_possible_ends_with_1_and_why(agent):
    ended = run("shelve", "flood", "--for", "9 h", "--why", "too long", "--socket", agent)
    assert ended.returncode == 1
    assert "8 h" in ended.stderr


def test_a_closed_pipe_is_no_crash(agent):
    shown = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m agent.cli status --socket {agent} | head -1"],
        capture_output=True, text=True, cwd=ROOT, timeout=30, check=False,
    )  # fmt: skip
    assert "Traceback" not in shown.stderr


def test_asking_starts_at_once(agent):
    """`tocsin ack` on a slow gateway must not load the compiler, the units or the rules."""
    code = (
        "import sys; from agent.cli import main\n"
        f"main(['ack', 'nothing', '--socket', {str(agent)!r}], standalone_mode=False)"
    )
    traced = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert "no alarm is called 'nothing'" in traced.stderr
    loaded = {line.rsplit("|", 1)[1].strip() for line in traced.stderr.splitlines() if line.startswith("import time")}
    assert not loaded & {"numba", "numpy", "pint", "pydantic", "lark", "sqlite3", "paho"}
