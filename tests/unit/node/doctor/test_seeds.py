"""What the doctor makes of the seeds' answers."""

from node.doctor.seeds import judge_seeds


def test_what_the_seeds_answers_mean() -> None:
    def verdict(*, is_asked_by_key: bool = True, **found: str) -> str:
        return judge_seeds(found, is_asked_by_key=is_asked_by_key).verdict

    assert verdict(a="answers", b="absent") == "ok"
    assert verdict(a="absent", b="absent") == "warn"
    assert verdict(a="deaf", b="absent") == "fail", "nobody there has our key"
    assert verdict(a="deaf", b="answers") == "warn"
    assert verdict(is_asked_by_key=False, a="deaf", b="absent") == "ok", "an external agent has the key"
    assert "mesh.gossip_key_file" in judge_seeds({"a": "deaf"}, is_asked_by_key=True).next
