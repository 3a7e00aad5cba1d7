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

from rules.backtest import Steps, judge_history
from rules.engine.build import Builder, kernels_for
from rules.engine.codecache import CacheError, check_directory, engine_name, intact, modules_of, shape_module, tidy
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
    result = kernels_for(SMALL.tables, directory)
    assert result.state == "ready", result.reason
    return directory


@pytest.fixture
def cache(small_cache, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(small_cache, tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def built(small_cache, tmp_path_factory, random_rules, points):
    """A build of a random rule set, with many shapes: the engine is there already."""
    directory = tmp_path_factory.mktemp("jit") / "random"
    shutil.copytree(small_cache, directory)
    ruleset = build_ruleset(points, random_rules(2026, 12))
    result = kernels_for(ruleset.tables, directory)
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 79))
def test_recorded_history_is_judged_as_it_would_be_live(built, random_series, seed, cut):
    """Step by step with the twin; as history with the twin and with the build, in one stretch or in two."""
    ruleset, kernels = built
    live, twin, jit = Judge(ruleset, 0.0), Judge(ruleset, 0.0), Judge(ruleset, 0.0)
    jit.use(kernels)
    series = random_series(seed, 80)
    expected = []
    for t, samples in series:
        while (due := live.step(live.now_s, ()).deadline) is not None and due < t:
            if changes := live.step(due, ()).changes:
                expected.append((due, list(changes)))
        if changes := live.step(t, samples).changes:
            expected.append((t, list(changes)))
    for judge, stretches in ((twin, (series,)), (jit, (series[:cut], series[cut:]))):
        steps = [steps_of(stretch) for stretch in stretches]
        assert [(moved.at_s, list(moved.changes)) for moved in judge_history(judge, steps)] == expected
    assert twin.snapshot() == jit.snapshot() == live.snapshot()


def steps_of(series):
    """Recorded steps as columns."""
    samples = [sample for _, found in series for sample in found]
    first = np.cumsum([0, *(len(found) for _, found in series)])
    columns = np.array([[*sample] for sample in samples], dtype=float).reshape(-1, 3)
    at = np.array([t for t, _ in series], dtype=float)
    return Steps(at, first, columns[:, 0].astype(np.int64), columns[:, 1].copy(), columns[:, 2].astype(np.int64))


def test_other_numbers_and_points_need_no_other_build(cache):
    """Same shapes: limits, delays and how many conditions are counted together are data."""
    other = build_ruleset([PointInfo("b.y", "m", 3.0)], [AlarmRule("s", (LevelRule("top", "b.y > 12 cm", 1.0),))])
    assert modules_of(other.tables.shapes) == modules_of(SMALL.tables.shapes)
    builder = Builder(other.tables, cache)
    builder.start()
    result = finish(builder, 20.0)
    assert result.state == "ready"
    assert builder._attempts == 0
    judge = Judge(other, 0.0)
    judge.use(result.kernels)
    judge.step(0.0, [Sample(0, 0.2, 0)])
    assert judge.step(1.0, ()).changes == [(0, 0, 1)]
    points = [PointInfo(f"p{k}.x", "mm", 10.0) for k in range(9)]
    votes = [f"vote(2, {', '.join(f'p{k}.x > {k + 5} mm' for k in range(count))})" for count in (2, 3, 9)]
    shapes = [build_ruleset(points, [AlarmRule("v", (LevelRule("red", text),))]).tables.shapes for text in votes]
    assert shapes[0] == shapes[1] == shapes[2]


def test_a_new_shape_is_compiled_alone(cache):
    shape = build_ruleset([PointInfo("a.x", "mm", 10.0)], [AlarmRule("r", (LevelRule("red", "not a.x > 5 mm"),))])
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
    assert kernels_for(shape.tables, cache).state == "ready"
    after = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
    assert after.items() >= before.items()
    (number,) = shape.tables.shapes
    assert [path.name.split(".")[0] for path in after.keys() - before.keys()] == [shape_module(number)]


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _only(directory, pattern):
    (found,) = directory.rglob(pattern)
    return found


ENGINE_CODE, SHAPE_CODE = "tocsin_engine_*.run_arrays-*.nbc", "tocsin_shape_*.nbc"
DAMAGE = {
    "code truncated": lambda d: os.truncate(_only(d, ENGINE_CODE), 1000),
    "code emptied": lambda d: os.truncate(_only(d, SHAPE_CODE), 0),
    "code garbage": lambda d: _only(d, SHAPE_CODE).write_bytes(os.urandom(5000)),
    "code bit flipped": lambda d: _flip(_only(d, ENGINE_CODE)),
    "code missing": lambda d: _only(d, SHAPE_CODE).unlink(),
    "index bit flipped": lambda d: _flip(_only(d, "tocsin_shape_*.nbi")),
    "index missing": lambda d: _only(d, "tocsin_engine_*.run_arrays-*.nbi").unlink(),
    "sums truncated": lambda d: os.truncate(_only(d, "tocsin_engine_*.sums"), 20),
    "source damaged": lambda d: _flip(_only(d, "tocsin_shape_*.py")),
    "source missing": lambda d: _only(d, "tocsin_engine_*.py").unlink(),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_before_anything_is_loaded(cache, kind):
    modules = modules_of(SMALL.tables.shapes)
    assert all(intact(cache, name, text) for name, text in modules.items())
    DAMAGE[kind](cache)
    assert sum(not intact(cache, name, text) for name, text in modules.items()) == 1
    builder = Builder(SMALL.tables, cache)
    builder.start()
    while builder._loader is not None:
        assert builder.poll().state == "building"
    assert builder._child is not None  # anew, in a child
    builder.close()
    assert builder.poll().state == "twin"


@pytest.mark.parametrize("kind", ["code garbage", "source damaged"])
def test_damage_is_repaired(cache, kind):
    DAMAGE[kind](cache)
    assert kernels_for(SMALL.tables, cache).state == "ready"
    assert all(intact(cache, name, text) for name, text in modules_of(SMALL.tables.shapes).items())


def test_builds_of_old_engines_go(cache):
    for age, old in enumerate(("000000000001", "000000000002")):
        for name in (f"tocsin_engine_{old}", f"tocsin_shape_{old}_0a"):
            for path in (cache / f"{name}.py", cache / "__pycache__" / f"{name}.form-1.py311.nbi"):
                path.write_text("")
                os.utime(path, (1000 - age, 1000 - age))
    tidy(cache)
    left = {path.name.split(".")[0] for path in cache.rglob("tocsin_*")}
    assert left == {"tocsin_engine_000000000001", "tocsin_shape_000000000001_0a", *modules_of(SMALL.tables.shapes)}
    assert engine_name() in left


def test_a_cache_that_others_can_write_is_refused(tmp_path):
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(CacheError, match="writable by others"):
        check_directory(directory)
    builder = Builder(SMALL.tables, directory)
    builder.start()
    assert builder.poll().state == "twin"
    assert "run as code" in builder.poll().reason


def test_a_cache_that_cannot_be_made_leaves_the_twin(tmp_path):
    (tmp_path / "file").write_text("")
    builder = Builder(SMALL.tables, tmp_path / "file" / "cache")
    builder.start()
    assert builder.poll().state == "twin"
    assert "can't be made" in builder.poll().reason


def test_the_cache_is_ours_alone(small_cache):
    assert small_cache.stat().st_mode & 0o777 == 0o700


def test_too_slow_a_compiler_is_killed(tmp_path):
    builder = Builder(SMALL.tables, tmp_path / "cache", timeout_s=0.05)
    builder.start()
    while (child := builder._child) is None:
        builder.poll()
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
    from rules.engine.build import Builder
    from rules.judge import Judge, build_ruleset
    from rules.model import AlarmRule, LevelRule, PointInfo, Sample
    ruleset = build_ruleset([PointInfo("a.x", "mm", 10.0)], [AlarmRule("r", (LevelRule("red", "a.x > 5 mm"),))])
    assert "numba" not in sys.modules and "numpy" not in sys.modules
    builder = Builder(ruleset.tables, Path({cache!r}))
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
