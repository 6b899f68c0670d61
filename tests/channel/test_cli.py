"""The command as a stranger meets it: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hub import __version__, cli
from hub.cli import COMMANDS, hub, main
from hub.errors import ConfigError

from .conftest import ADMISSION, SOUND, Write

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a verb in the folder of the site, as ``main`` would end it."""
    monkeypatch.chdir(tmp_path)

    def one(*args: str) -> Result:
        @click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
        @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
        def whole(rest: tuple[str, ...]) -> None:
            main(list(rest))

        return CliRunner().invoke(whole, args)

    return one


def _process(*args: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | extra
    return subprocess.run(
        [sys.executable, "-m", "hub", *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_stranger_gets_from_nothing_to_a_checked_site(tmp_path: Path) -> None:
    """init, new, lint in real processes; exit 0."""
    assert _process("init", "site", cwd=tmp_path).returncode == 0
    site = tmp_path / "site"
    made = _process("new", "channel", "mine", "--source", "mllp", "--map", "hl7v2.messages.adt", cwd=site)
    assert (made.stdout.splitlines()[1], made.returncode) == ("wrote channels/mine/channel.yaml", 0)
    linted = _process("lint", "mine", cwd=tmp_path, HUB_HOME=str(site))
    assert (linted.stdout, linted.stderr, linted.returncode) == ("", "1 channel: nothing to mend\n", 0)


def test_init_and_new_say_what_they_wrote_and_what_comes_next(run: Run) -> None:
    """And refuse what is there already."""
    made = run("init", "site")
    assert made.exit_code == 0
    assert "wrote site/hub.yaml" in made.output
    assert "next: hub lint --home site, hub test --home site, hub run --home site" in made.output
    assert run("init", "site").exit_code == 2
    assert run("init", "site", "--force").exit_code == 0
    made = run("new", "channel", "mine", "--to", "http", "--home", "site")
    assert "wrote site/channels/mine/README.md" in made.output
    assert "next: hub lint mine, hub test mine" in made.output


def test_help_imports_no_verb_and_nothing_heavy(tmp_path: Path) -> None:
    """The start of a command costs only what it touches."""
    code = (
        "import sys\nfrom hub.cli import hub\n"
        "hub.main(['--help'], standalone_mode=False)\n"
        "heavy = {'yaml', 'pydantic', 'sqlalchemy', 'lxml', 'flask'}\n"
        "heavy |= {m for m in sys.modules if m.startswith('hub.commands.')}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Check channel files." in done.stdout


def test_lint_imports_no_store_and_no_mapping(tmp_path: Path, write: Write) -> None:
    """Checking channels needs neither a database nor XML."""
    write("adt")
    code = (
        "import sys\nfrom hub.cli import main\n"
        "try:\n    main(['lint'])\nexcept SystemExit as e:\n    print('exit', e.code)\n"
        "print(sorted({'sqlalchemy', 'lxml', 'flask', 'celery'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["exit 0", "[]"]


def test_output_that_nobody_reads_ends_quietly(tmp_path: Path) -> None:
    """`hub explain | head -1`: no traceback (exit 141 as shells say of SIGPIPE)."""
    with subprocess.Popen(
        [sys.executable, "-m", "hub", "schema"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        process.wait(60)
    assert (said, process.returncode) == (b"", 141)


def test_the_version_is_that_of_the_package(run: Run) -> None:
    """`hub --version`."""
    assert f"hub, version {__version__}\n" == run("--version").output


def test_verbs_are_listed_when_they_are_there() -> None:
    """A verb whose module is not installed breaks nothing."""
    shown = hub.list_commands(click.Context(hub))
    assert {"init", "lint", "test", "try", "list", "schema", "new", "explain"} <= set(shown)
    assert set(shown) <= set(COMMANDS)


def test_a_verb_without_a_module_is_no_verb(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the help nor by its name."""
    monkeypatch.setitem(cli.COMMANDS, "gone", ("nothing_of_that_name", "x"))
    assert "gone" not in run("--help").output
    assert run("gone").exit_code == 2


def test_a_misspelt_verb_is_told_with_the_nearest(run: Run) -> None:
    """Exit 2: wrong use."""
    result = run("lnt")
    assert result.exit_code == 2
    assert "did you mean `hub lint`?" in result.output
    assert "see `hub --help`" in run("qqqqq").output


def test_an_error_of_the_hub_is_one_line_on_stderr(run: Run) -> None:
    """Where, what, what to do; exit 2; no traceback."""
    result = run("try", "nothing-there", __file__)
    assert result.exit_code == 2
    assert result.stderr.startswith("hub: no channel is called 'nothing-there'")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("error", "status"), [(click.Abort(), 130), (KeyboardInterrupt(), 130), (ConfigError("x"), 2)])
def test_how_a_command_ends(monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int) -> None:
    """Interrupted: 128 + SIGINT."""

    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(cli.hub, "main", fail)
    with pytest.raises(SystemExit) as end:
        main([])
    assert status == end.value.code


def test_lint_prints_findings_and_fails(run: Run, write: Write) -> None:
    """Exit 1; findings on stdout, the count on stderr."""
    write("adt", SOUND.format(name="adt", port=2575).replace("order", "ordr") + "ordr: none\n")
    result = run("lint")
    assert result.exit_code == 1
    assert result.stdout == "channels/adt/channel.yaml:9:1 C101 unknown setting ordr; did you mean 'order'?\n"
    assert result.stderr == "1 channel: 1 to mend\n"


def test_lint_notes_do_not_fail(run: Run, write: Write) -> None:
    """A channel without tests is noted; exit 0."""
    write("adt", tests=False)
    result = run("lint")
    assert (result.exit_code, result.stderr) == (0, "1 channel: nothing to mend, 1 note\n")
    assert "T401" in result.stdout


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_lint_for_programs_is_one_document(run: Run, write: Write, form: str) -> None:
    """Nothing else on stdout, even when nothing is found."""
    write("adt")
    result = run("lint", "--format", form)
    assert result.exit_code == 0
    assert json.loads(result.stdout) is not None
    assert result.stderr == ""


def test_lint_of_nothing_is_wrong_use(run: Run, tmp_path: Path) -> None:
    """A job that checks no file must not be green: exit 2."""
    (tmp_path / "empty").mkdir()
    assert run("lint", "empty").exit_code == 2
    assert run("lint", "nothing/channel.yaml").exit_code == 2
    assert run("lint", "--home", str(tmp_path)).exit_code == 2 if (tmp_path / "channels").is_dir() else True


def test_outside_of_a_site_the_shipped_channels_are_checked(run: Run) -> None:
    """So that a checkout can be tried at once."""
    listed = json.loads(run("list", "--json").stdout)
    assert {"hospital-hl7v2", "cda-documents", "document-drop"} <= {row["channel"] for row in listed}


def test_explain_tells_what_a_code_means(run: Run) -> None:
    """And lists all without one; exit 2 for a code nobody has."""
    assert run("explain", "c401").output.startswith("C401 (error): two channels listen at one place\n\nOne port")
    assert "C401  error" in run("explain").output
    assert run("explain", "X999").exit_code == 2


def test_list_shows_channels_with_their_revision(run: Run, write: Write) -> None:
    """A broken one is listed with what is wrong."""
    path = write("adt")
    write("bad", "channel: [\n")
    rows = json.loads(run("list", "channels", "--json").stdout)
    good, bad = rows
    assert (
        good["channel"], good["enabled"], good["source"], good["to"], good["summary"],
    ) == ("adt", True, "mllp", ["store"], "admissions")  # fmt: skip
    assert len(good["revision"]) == 12
    assert bad["summary"].startswith("broken: ")
    assert f"{good['revision']}  enabled " in run("list").output
    assert path.is_file()


@pytest.mark.parametrize(
    ("what", "key", "one"),
    [
        ("connectors", "connector", "mllp"),
        ("mappings", "mapping", "hl7v2.messages.adt"),
        ("formats", "format", "hl7v2"),
    ],
)
def test_list_shows_what_a_channel_can_name(run: Run, what: str, key: str, one: str) -> None:
    """For people and, with --json, for programs."""
    assert one in {row[key] for row in json.loads(run("list", what, "--json").stdout)}
    assert one in run("list", what).output


@pytest.mark.usefixtures("simple_mapping")
def test_test_runs_the_cases_of_a_site(run: Run, write: Write) -> None:
    """Exit 0 when all pass, 1 when one fails, with its file, line and difference."""
    path = write("adt")
    result = run("test")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "pass adt: taken\n", "1 passed\n")
    cases = path.parent / "tests" / "all.yaml"
    cases.write_text(cases.read_text() + "- {case: wrong, send: messages/a01.hl7, expect: {answer: AR}}\n")
    result = run("test")
    assert result.exit_code == 1
    assert (result.stdout.splitlines()[1:]) == [
        "FAIL adt: wrong",
        "     channels/adt/tests/all.yaml:2",
        "     answer: expected AR, was AA",
    ]
    assert run("test", "-k", "taken").exit_code == 0
    rows = json.loads(run("test", "--json").stdout)
    assert [row["passed"] for row in rows["cases"]] == [True, False]


@pytest.mark.usefixtures("simple_mapping")
def test_test_writes_golden_files_with_update(run: Run, write: Write) -> None:
    """And says which."""
    path = write("adt")
    cases = path.parent / "tests" / "all.yaml"
    cases.write_text("- {case: x, send: messages/a01.hl7, expect: {golden: golden/x.json}}\n")
    assert run("test").exit_code == 1
    assert "(golden written)" in run("test", "--update").output
    assert run("test").exit_code == 0


@pytest.mark.usefixtures("simple_mapping")
def test_a_channel_that_cannot_be_read_does_not_keep_others_from_their_tests(run: Run, write: Write) -> None:
    """Exit 2, and the tests of the others are run."""
    write("adt"), write("bad", "channel: [\n")
    result = run("test")
    assert result.exit_code == 2
    assert "channels/bad/channel.yaml:2:1 Y001" in result.stdout
    assert "pass adt: taken" in result.stdout


def test_a_broken_case_fails(run: Run, write: Write) -> None:
    """A case that cannot run is no case that passed."""
    path = write("adt")
    (path.parent / "tests" / "all.yaml").write_text("- {case: x, send: none.hl7, expect: {}}\n")
    result = run("test")
    assert (result.exit_code, result.stderr) == (1, "no test was run\n")


@pytest.mark.usefixtures("simple_mapping")
def test_try_shows_stages_and_ends_by_what_would_happen(run: Run, write: Write, tmp_path: Path) -> None:
    """Exit 0 for done, 1 for rejected or held; nothing is written."""
    write("adt")
    (tmp_path / "a01.hl7").write_bytes(ADMISSION)
    (tmp_path / "bad.hl7").write_bytes(ADMISSION.replace(b"ADT^A01^ADT_A01", b"ORU^R01^ORU_R01"))
    before = sorted(tmp_path.rglob("*"))
    result = run("try", "adt", "a01.hl7")
    assert result.exit_code == 0
    assert "end       done" in result.output
    assert run("try", "adt", "bad.hl7").exit_code == 1
    stages = json.loads(run("try", "channels/adt", "a01.hl7", "--json").stdout)
    assert stages[-1]["outcome"] == "done"
    assert before == sorted(tmp_path.rglob("*"))


def test_schema_is_json(run: Run) -> None:
    """For channels and for settings."""
    assert json.loads(run("schema").stdout)["title"] == "OncoHub channel"
    assert json.loads(run("schema", "--settings").stdout)["title"] == "OncoHub settings"
