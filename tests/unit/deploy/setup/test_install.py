"""Installing programs must not leave services running."""

from pathlib import Path

import pytest

from deploy.setup.install import POLICY_TEXT, services_stay_stopped


def test_the_policy_is_there_only_meanwhile(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with services_stay_stopped(policy):
        assert policy.read_text() == POLICY_TEXT
        assert policy.stat().st_mode & 0o111
    assert not policy.exists()


def test_it_goes_after_a_failure_too(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(KeyboardInterrupt), services_stay_stopped(policy):
        raise KeyboardInterrupt
    assert not policy.exists()


def test_the_machines_own_policy_is_left_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("own")
    with services_stay_stopped(policy):
        pass
    assert policy.read_text() == "own"
