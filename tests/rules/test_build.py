"""The JIT build: equal to the twin in every bit, and nothing that happens to its cache stops judgement."""

import ctypes
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.build import Builder, CacheError, check_directory, intact, module_name
from rules.judge import Judge, build_ruleset
from rules.model import AlarmRule, LevelRule, PointInfo, Sample

ROOT = Path(__file__).parents[2]
SMALL = build_ruleset([PointInfo("a.x", "mm", 10.0)], [AlarmRule("r", (LevelRule("red", "a.x > 5 mm", 3.0),))])


def finish(builder, limit_s=100.0):
    """Poll as the guard does, until it is done."""
    end = time.monotonic() + limit_s
    while (result := builder.poll()).state == "building":
        assert time.monotonic() < end, "still building"
        time.sleep(0.02)
    return result


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory):
    """A finished build of a small rule set."""
    directory = tmp_path_factory.mktemp("jit") / "cache"
    builder = Builder(SMALL, directory)
    builder.start()
    result = finish(builder)
    assert result.state == "ready", result.reason
    return directory


@pytest.fixture
def cache(small_cache, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(small_cache, tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def built(tmp_path_factory, random_rules, points):
    """A build of a random rule set, with many shapes."""
    ruleset = build_ruleset(points, random_rules(2026, 12))
    builder = Builder(ruleset, tmp_path_factory.mktemp("jit") / "random")
    builder.start()
    result = finish(builder, 110.0)
    assert result.state == "ready", result.reason
    return ruleset, result.kernels


def bits(judge):
    """All state; NaNs as one."""
    return np.nan_to_num(np.array(judge._num), nan=-7.25).tobytes() + judge._ints.tobytes()


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), switch=st.integers(0, 79))
def test_twin_and_build_agree_in_every_bit(built, random_series, seed, switch):
    ruleset, kernels = built
    twin, jit, late = Judge(ruleset, 0.0), Judge(ruleset, 0.0), Judge(ruleset, 0.0)
    jit.use(kernels)
    for k, (t, samples) in enumerate(random_series(seed, 80)):
        if k == switch:
            late.use(kernels)  # takes over the very same state
        expected = twin.step(t, samples)
        assert jit.step(t, samples) == expected
        assert late.step(t, samples) == expected
        for alarm in range(len(ruleset.alarms)) if k % 20 == 0 else ():
            assert twin.reset(alarm, t) == jit.reset(alarm, t) == late.reset(alarm, t)
    assert bits(twin) == bits(jit) == bits(late)
    assert twin.snapshot() == jit.snapshot()


@pytest.mark.slow
def test_other_numbers_need_no_other_build(cache):
    """Same shapes: limits and delays are data."""
    other = build_ruleset([PointInfo("b.y", "m", 3.0)], [AlarmRule("s", (LevelRule("top", "b.y > 12 cm", 1.0),))])
    assert module_name(other.source) == module_name(SMALL.source)
    builder = Builder(other, cache)
    builder.start()
    assert builder._child is None
    result = finish(builder, 20.0)
    assert result.state == "ready"
    assert result.seconds < 10.0
    judge = Judge(other, 0.0)
    judge.use(result.kernels)
    judge.step(0.0, [Sample(0, 0.2, 0)])
    assert judge.step(1.0, ()).changes == [(0, 0, 1)]


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _only(directory, pattern):
    (found,) = directory.rglob(pattern)
    return found


DAMAGE = {
    "code truncated": lambda d: os.truncate(_only(d, "*.run-*.nbc"), 1000),
    "code emptied": lambda d: os.truncate(_only(d, "*.run-*.nbc"), 0),
    "code garbage": lambda d: _only(d, "*.run-*.nbc").write_bytes(os.urandom(5000)),
    "code bit flipped": lambda d: _flip(_only(d, "*.run-*.nbc")),
    "code missing": lambda d: _only(d, "*.run-*.nbc").unlink(),
    "index bit flipped": lambda d: _flip(_only(d, "*.run-*.nbi")),
    "index missing": lambda d: _only(d, "*.run-*.nbi").unlink(),
    "sums truncated": lambda d: os.truncate(_only(d, "*.sums"), 20),
    "source damaged": lambda d: _flip(_only(d, "tocsin_rules_*.py")),
    "source missing": lambda d: _only(d, "tocsin_rules_*.py").unlink(),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_before_anything_is_loaded(cache, kind):
    name = module_name(SMALL.source)
    assert intact(cache, name)
    DAMAGE[kind](cache)
    builder = Builder(SMALL, cache)
    builder.start()
    assert builder._loader is None
    assert builder.poll().state == "building"  # anew, in a child
    assert builder._child is not None
    builder.close()
    assert builder.poll().state == "twin"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["code truncated", "source damaged"])
def test_damage_is_repaired(cache, kind):
    DAMAGE[kind](cache)
    builder = Builder(SMALL, cache)
    builder.start()
    assert finish(builder).state == "ready"
    assert intact(cache, module_name(SMALL.source))


def test_a_cache_that_others_can_write_is_refused(tmp_path):
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(CacheError, match="writable by others"):
        check_directory(directory)
    builder = Builder(SMALL, directory)
    builder.start()
    assert builder.poll().state == "twin"
    assert "run as code" in builder.poll().reason


def test_a_cache_that_cannot_be_made_leaves_the_twin(tmp_path):
    (tmp_path / "file").write_text("")
    builder = Builder(SMALL, tmp_path / "file" / "cache")
    builder.start()
    assert builder.poll().state == "twin"
    assert "can't be made" in builder.poll().reason


def test_the_cache_is_ours_alone(small_cache):
    assert small_cache.stat().st_mode & 0o777 == 0o700


def test_too_slow_a_compiler_is_killed(tmp_path):
    builder = Builder(SMALL, tmp_path / "cache", timeout_s=0.05)
    builder.start()
    child = builder._child
    result = finish(builder, 10.0)
    assert (result.state, "longer than" in result.reason) == ("twin", True)
    assert child.poll() is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory away")
def test_a_cache_of_another_user_is_refused(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o700)
    os.chown(tmp_path / "cache", 65534, 65534)
    with pytest.raises(CacheError, match="belongs to user 65534"):
        check_directory(tmp_path / "cache")


OUTCOME = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {root!r})
    {first}
    from rules.build import Builder
    from rules.judge import Judge, build_ruleset
    from rules.model import AlarmRule, LevelRule, PointInfo, Sample
    ruleset = build_ruleset([PointInfo("a.x", "mm", 10.0)], [AlarmRule("r", (LevelRule("red", "a.x > 5 mm"),))])
    assert "numba" not in sys.modules and "numpy" not in sys.modules
    builder = Builder(ruleset, Path({cache!r}))
    builder.start()
    while builder.poll().state == "building":
        time.sleep(0.05)
    judge = Judge(ruleset, 0.0)
    assert judge.step(0.0, [Sample(0, 9.0, 0)]).changes == [(0, 0, 1)]
    print(builder.poll().state, builder.poll().reason)
"""


def outcome(cache, first="", **environment):
    code = textwrap.dedent(OUTCOME).format(root=str(ROOT), cache=str(cache), first=first)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_numba_the_twin_judges(tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "numba.py").write_text("raise ImportError('no numba here')")
    said = outcome(tmp_path / "cache", PYTHONPATH=f"{tmp_path / 'none'}:{ROOT}")
    assert said.startswith("twin")
    assert "no numba here" in said


def test_where_memory_may_not_become_code_the_twin_judges(tmp_path):
    """As under systemd's MemoryDenyWriteExecute."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(66, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel has no PR_SET_MDWE")
    said = outcome(tmp_path / "cache", first="import ctypes; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0")
    assert said.startswith("twin"), said


def test_judging_imports_neither_numba_nor_numpy():
    code = "import rules.judge, sys; print(sorted({'numba', 'numpy', 'pint'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
