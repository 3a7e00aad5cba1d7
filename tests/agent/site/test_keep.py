"""The last good copy of a site: whole, or the one before; never torn, never one that does not load."""

import os
import shutil

import pytest

from agent.config import ConfigErrors, keep_good, load_good, load_site


def test_a_kept_site_is_the_same_site(whole, tmp_path):
    site = load_site(whole)
    keep_good(site, tmp_path / "good")
    shutil.rmtree(whole.parent)
    again = load_good(tmp_path / "good")
    assert again.digest == site.digest
    assert again.ruleset.digest == site.ruleset.digest
    assert list(again.points) == list(site.points)
    assert again.uplink == site.uplink


def test_recordings_and_keys_stay_where_they_are(edited, tmp_path):
    path = edited(("keepalive", 'password_file = "secret"\nkeepalive'), ('volume = "60 %"', 'recording.zh = "a.wav"'))
    (path.parent / "secret").write_text("s")
    (path.parent / "a.wav").write_bytes(b"")
    keep_good(load_site(path), tmp_path / "good")
    path.write_text("broken [")
    again = load_good(tmp_path / "good")
    assert again.uplink.password_file == path.parent / "secret"
    assert again.messages["flood-clear"].recording["zh"] == path.parent / "a.wav"
    assert again.outputs["loudspeaker"].base == path.parent
    assert not list((tmp_path / "good").rglob("secret"))


def test_keeping_the_same_site_again_writes_nothing(whole, tmp_path):
    site = load_site(whole)
    first = keep_good(site, tmp_path / "good")
    assert keep_good(site, tmp_path / "good") == first
    assert [path.name for path in (tmp_path / "good").iterdir()] == [first.name]


def _three_versions(whole, directory):
    digests = []
    for version in range(3):
        text = whole.read_text(encoding="utf-8")
        whole.write_text(f"{text}# {version}\n", encoding="utf-8")
        site = load_site(whole)
        keep_good(site, directory)
        digests.append(site.digest)
    return digests


def test_two_copies_are_held_and_the_older_serves_when_the_newer_is_spoilt(whole, tmp_path):
    good = tmp_path / "good"
    digests = _three_versions(whole, good)
    copies = sorted(good.iterdir())
    assert [copy.name for copy in copies] == ["00000002", "00000003"]
    assert load_good(good).digest == digests[2]
    with (copies[1] / "rules.d" / "gas.toml").open("r+b") as file:  # a flipped byte
        file.write(b"#")
    assert load_good(good).digest == digests[1]
    (copies[0] / "kept.json").write_bytes(b"")  # a torn manifest
    assert load_good(good) is None


@pytest.mark.parametrize("cut", range(8))
def test_a_power_cut_at_any_moment_leaves_the_old_copy(whole, tmp_path, cut, monkeypatch):
    """Every write and rename in turn is the last that happened."""
    good = tmp_path / "good"
    site = load_site(whole)
    keep_good(site, good)
    whole.write_text(whole.read_text(encoding="utf-8") + "# newer\n", encoding="utf-8")
    newer = load_site(whole)
    done = 0

    class PowerCutError(Exception):
        pass

    def fsync(descriptor):
        nonlocal done
        done += 1
        if done > cut:
            raise PowerCutError
        real(descriptor)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(PowerCutError):
        keep_good(newer, good)
    monkeypatch.undo()
    assert load_good(good).digest == site.digest
    keep_good(newer, good)  # and the next attempt is not in the way of what is left of the first
    assert load_good(good).digest == newer.digest


def test_a_file_that_changed_since_it_was_loaded_is_not_kept(whole, tmp_path):
    site = load_site(whole)
    whole.write_text("broken [", encoding="utf-8")
    with pytest.raises(ConfigErrors, match="changed since"):
        keep_good(site, tmp_path / "good")
    assert load_good(tmp_path / "good") is None
    assert list((tmp_path / "good").iterdir()) == []


def test_nothing_kept(tmp_path):
    assert load_good(tmp_path / "absent") is None


def test_the_digest_is_of_contents_and_names_not_of_the_place(whole, data, tmp_path):
    here, there = load_site(data / "whole" / "site.toml"), load_site(whole)
    assert here.digest == there.digest
    shutil.copytree(whole.parent, tmp_path / "other")
    (tmp_path / "other" / "maps" / "radar.toml").open("a").write("# another map\n")
    assert load_site(tmp_path / "other" / "site.toml").digest != here.digest
